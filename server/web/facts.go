// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"iter"
	"net/http"
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// facts sends a part of the log. If the answer is cut off, the client sees that it is incomplete.
func (h *Handler) facts(x *exchange, r *http.Request, q *request) error {
	p := given(r, "after", "through", "before", "since", "until", "store", "key", "prefix", "producer", "where", "reverse", "limit", "changes")
	after := p.cursor("after", p.Get("after"))
	ask := query.FactsQuery{After: after.Seq, Through: p.seq("through"), Since: p.time("since"), Until: p.unlessNow("until"), Filter: p.filter(), Reverse: p.flag("reverse"), Changes: p.flag("changes"),
		Limit: int(p.number("limit", 0, 0, 1<<53))}
	before := p.seq("before")
	if before > 1 && (ask.Through == 0 || before <= ask.Through) {
		ask.Through = before - 1
	}
	if ask.Changes && !ask.Reverse {
		p.wrong("changes", "only with reverse=1")
	}
	if p.err != nil {
		return p.err
	}
	reading, err := q.client.Read(ask.Stores)
	if err != nil {
		return err
	}
	stores := reading.Stores
	stats, err := q.log.Stats(r.Context())
	if err == nil {
		_, err = stats.Resume(after)
	}
	if err == nil && before > 1 { // a page of another log, or of this one before it was restored
		_, err = stats.Resume(backend.Cursor{Seq: before - 1})
	}
	if err != nil {
		return err
	}
	ctx, cancel := q.server.Serving(r.Context())
	defer cancel(nil)
	var found iter.Seq2[query.Version, error]
	pruned := func() error { return nil } // why the answer may be incomplete
	through := stats.LastSeq              // facts that are written meanwhile are after Igniter-Seq
	if ask.Through != 0 {
		through = min(through, ask.Through)
	}
	if before == 1 || after.Seq >= through && through > 0 {
		found = func(func(query.Version, error) bool) {}
	} else if ask.Reverse || !ask.Since.IsZero() || !ask.Until.IsZero() {
		if q.reader == nil {
			return errNothingAt(r)
		}
		if err := x.asking.await(ctx, ofQuestion); err != nil {
			return err
		}
		if stats.LastSeq, found, err = q.reader.Facts(x.answering(ctx), q.stores(), ask); err != nil {
			return reason(ctx, err)
		}
		pruned = func() error {
			now, err := q.log.Stats(ctx)
			if err != nil {
				return err
			}
			r := backend.Range{Stores: stores}
			now.Horizons = r.News(now.Horizons, stats.Horizons)
			return now.Whole(after.Seq, stores)
		}
	} else {
		pages := q.log.Replay(x.sending(ctx), backend.Range{After: after, Through: through, Stores: stores})
		found = window(pages, ask, stats.LastSeq, func(gone error) { setHorizon(x, gone) })
	}
	if gone := stats.Whole(after.Seq, stores); gone != nil && after.Seq == 0 {
		setHorizon(x, gone)
	} else if gone != nil {
		return gone
	}
	setSeq(x, stats.LastSeq)
	x.Header().Set("Cache-Control", "private, no-cache")
	s := h.newStream(x, "application/x-ndjson")
	if r.Method == http.MethodHead {
		return nil
	}
	if x.asking.add(ofEncoder) == nil { // otherwise it is sent uncompressed
		if s.out, s.done = compress(x, r); s.out != nil {
			defer s.done()
		} else {
			_ = x.asking.add(-ofEncoder) // using less never fails
		}
	}
	for v, err := range found {
		if err != nil {
			return s.cut(reason(ctx, err))
		}
		s.buf = append(v.Append(s.buf), '\n')
		if len(s.buf) < streamBuffer {
			continue
		}
		if err := reading.Refresh(); err != nil {
			return s.cut(err)
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
	err = reading.Refresh()
	if err == nil {
		err = pruned()
	}
	if err != nil {
		return s.cut(err)
	}
	return s.finish()
}

// setHorizon sets the header that says that facts before a horizon may be missing.
func setHorizon(x *exchange, gone error) {
	if compacted, ok := errors.AsType[*backend.CompactedError](gone); ok {
		x.Header().Set("Igniter-Horizon", strconv.FormatUint(compacted.Horizon.Seq, 10))
	}
}

// window yields the facts of pages that q selects, through the seq last. For a client that begins at the log's beginning,
// it yields the remaining facts, and calls told if facts are missing. For other clients, pruned facts after their cursor
// are an error.
func window(pages iter.Seq2[backend.Page, error], q query.FactsQuery, last uint64, told func(gone error)) iter.Seq2[query.Version, error] {
	return func(yield func(query.Version, error) bool) {
		wants := q.Matcher()
		through, left := q.After, q.Limit
		for page, err := range pages {
			if gone := page.Whole(through); gone != nil && q.After == 0 {
				told(gone)
			} else if err == nil {
				err = gone
			}
			if err != nil {
				yield(query.Version{}, err)
				return
			}
			through = page.Through.Seq
			for i := range page.Facts {
				f := &page.Facts[i]
				if f.Seq > last { // the log was empty
					return
				}
				if !wants(f) {
					continue
				}
				if !yield(query.Version{Fact: *f}, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
		}
	}
}
