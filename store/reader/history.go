// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/wire"
)

// maxTicks is how many versions' times a history has.
const maxTicks = 2000

// History implements query.Reader. It reads the key's facts once, and keeps a page of them.
func (r *Reader) History(ctx context.Context, readable []string, q query.HistoryQuery) (h query.History, err error) {
	if err := mayRead(readable, q.Store); err != nil {
		return h, err
	}
	limit, err := limitOf(q.Limit, query.MaxLimit)
	if err != nil {
		return h, err
	}
	stats, err := r.reach(ctx, max(q.At.Seq, q.Before-min(q.Before, 1)))
	if err != nil {
		return h, err
	}
	asked := q.At
	r.resolve(&q.At, q.Store, &stats)
	h = query.History{Store: q.Store, Key: q.Key, Seq: stats.LastSeq, At: asked, Whole: true, Records: []query.Version{}}
	p := pageOf{limit: limit, all: q.Limit < 0}
	var before *backend.Fact // the version before
	for f, err := range r.ofKey(ctx, q.Store, q.Key, q.At, stats.LastSeq) {
		if err != nil {
			return h, err
		}
		h.Versions++
		last := query.Place{Seq: f.Seq, Time: f.TransactionTime}
		if h.Last = &last; h.First == nil {
			h.First = &last
		}
		if f.Retraction() {
			h.Deletions++
		}
		h.Whole = h.Whole && follows(f, before) == "yes"
		if q.Ticks {
			t := query.Tick{Seq: f.Seq, Time: f.TransactionTime, Valid: f.ValidTime}
			if f.Retraction() {
				t.Kind = "deleted"
			}
			if h.Ticks = append(h.Ticks, t); len(h.Ticks) > 2*maxTicks {
				h.Ticks, h.MoreTicks = append(h.Ticks[:0], h.Ticks[len(h.Ticks)-maxTicks:]...), true
			}
		}
		kept := f.Clone()
		if q.Before == 0 || f.Seq < q.Before {
			p.add(kept, before, h.Versions)
		}
		before = &kept
	}
	if len(h.Ticks) > maxTicks {
		h.Ticks, h.MoreTicks = h.Ticks[len(h.Ticks)-maxTicks:], true
	}
	horizon, err := r.whole(ctx, q.Store, q.At)
	if err != nil {
		return h, err
	}
	if !horizon.IsZero() {
		h.Horizon, h.Whole = &horizon, false
	}
	h.Records, h.Next = p.versions()
	return h, nil
}

// ofKey yields the facts of a key that are visible and valid at a moment, in the order of the log: from memory if the
// store is loaded, otherwise from the log.
func (r *Reader) ofKey(ctx context.Context, name, key string, at query.Moment, last uint64) func(yield func(*backend.Fact, error) bool) {
	return func(yield func(*backend.Fact, error) bool) {
		if at.Seq != 0 {
			last = min(last, at.Seq)
		}
		e, err := r.engine(ctx, name)
		if err != nil {
			yield(nil, err)
			return
		}
		if e != nil {
			var room backend.Room // memory is read here, so no log asks for room
			for x, err := range e.History(ctx, name, key, momentOf(query.Moment{}, last)) {
				if errors.Is(err, backend.ErrCompacted) {
					continue // the caller looks at the horizon itself
				}
				if err != nil {
					yield(nil, err)
					return
				}
				f := x.Fact()
				if !visible(&f, at) {
					continue
				}
				if err := room.Hold(ctx, len(f.Value)); err != nil {
					yield(nil, err)
					return
				}
				if !yield(&f, nil) {
					return
				}
			}
			return
		}
		in, err := r.searchFor(ctx, ofKey, name, key)
		if err != nil {
			yield(nil, err)
			return
		}
		for f, err := range r.forward(ctx, in, 0, last, []string{name}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if f.Key == key && visible(f, at) && !yield(f, nil) {
				return
			}
		}
		r.often(ctx, name)
	}
}

// A pageOf keeps the last versions that are added, up to a limit and to query.MaxAnswer bytes.
type pageOf struct {
	limit int
	all   bool
	kept  []versionOf
	size  int
	cut   bool // some were dropped
}

type versionOf struct {
	query.Version
	old json.RawMessage // the value of the version before
}

func (p *pageOf) add(f backend.Fact, before *backend.Fact, number uint64) {
	v := versionOf{Version: query.Version{Fact: f, Version: number, HashOK: hashOK(&f)}}
	if before != nil {
		v.PreviousSeq, v.old = before.Seq, before.Value
	}
	v.Follows = follows(&f, before)
	if large := len(f.Value) > query.MaxValue || len(v.old) > query.MaxValue; large && !p.all { // before it is dropped
		v.describe()
	}
	p.kept = append(p.kept, v)
	p.size += sizeOf(&v.Fact)
	for !p.all && (len(p.kept) > p.limit || p.size > query.MaxAnswer && len(p.kept) > 1) {
		p.size -= sizeOf(&p.kept[0].Fact)
		p.kept, p.cut = p.kept[1:], true
	}
}

// versions returns what was kept, the newest first, and the seq of the oldest if some were dropped.
func (p *pageOf) versions() ([]query.Version, uint64) {
	all := make([]query.Version, 0, len(p.kept))
	for i := range p.kept {
		v := &p.kept[len(p.kept)-1-i]
		if v.Kind == "" {
			v.describe()
		}
		all = append(all, v.Version)
	}
	if p.cut {
		return all, p.kept[0].Fact.Seq
	}
	return all, 0
}

// describe sets the version's changes, and then leaves out a large value.
func (v *versionOf) describe() {
	f := &v.Fact
	v.Kind, v.Changes, v.MoreChanges = kindOf(v.old, f.Value)
	links, more := linksOf(f)
	v.Causes = len(links) + more
	for _, l := range links {
		if l.Rule != "" {
			v.Rule = l.Rule
		}
		if l.Kind == "causation" && v.Follows != "no" {
			v.Causes-- // it is the previous version, or a version that was pruned
		}
	}
	v.leaveOut()
}

func (v *versionOf) leaveOut() {
	v.old = nil
	if n := len(v.Fact.Value); n > query.MaxValue {
		v.Fact.Value, v.ValueBytes = nil, n
	}
}

// kindOf says what a fact did to its key; old is the key's value before, nil if it had none.
func kindOf(old, value []byte) (kind string, changes []query.Change, more bool) {
	switch {
	case backend.IsNull(value):
		return "deleted", nil, false
	case old == nil || backend.IsNull(old):
		return "created", nil, false
	}
	changes, more = changesOf(old, value)
	if len(changes) == 0 {
		return "same", nil, false
	}
	return "changed", changes, more
}

// follows says whether a fact's causation is the ID of before, the key's previous version, which is nil if there is
// none.
func follows(f, before *backend.Fact) string {
	switch {
	case before != nil && f.Causation == before.ID || before == nil && f.Causation == "":
		return "yes"
	case before == nil:
		return "gone"
	}
	return "no"
}

func hashOK(f *backend.Fact) bool {
	hash, err := wire.Hash(f.Value)
	return err == nil && hash == f.ValueHash
}

// limitOf returns the limit of a page: 100 for 0, and an error for more than most. A limit below 0 means no limit.
func limitOf(limit, most int) (int, error) {
	switch {
	case limit == 0:
		return 100, nil
	case limit > most:
		return 0, &backend.InvalidError{Field: "limit", Reason: "above the greatest, which docs/limits.md names: go on with the next page"}
	}
	return limit, nil
}
