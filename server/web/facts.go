package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/igniter-store/igniter/backend"
)

// facts sends a part of the log up to its end. A client whose answer is cut off sees that it is not whole.
func (h *Handler) facts(w http.ResponseWriter, r *http.Request, q *request) error {
	given, err := parameters(r, "after", "store", "limit")
	if err != nil {
		return err
	}
	var part backend.Range
	if part.After, err = cursorParameter("after", given.Get("after")); err != nil {
		return err
	}
	limit, err := limitParameter(given.Get("limit"))
	if err != nil {
		return err
	}
	reading, err := q.client.Read(given["store"])
	if err != nil {
		return err
	}
	part.Stores = reading.Stores
	s := h.newStream(w, "application/x-ndjson")
	if r.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := q.server.Serving(r.Context())
	defer cancel(nil)
	through := part.After.Seq
	for page, err := range q.log.Replay(ctx, part) {
		if gone := page.Whole(through); gone != nil && through == 0 { // a client that begins at the log's beginning takes what is left
			if compacted, ok := errors.AsType[*backend.CompactedError](gone); ok {
				w.Header().Set("Igniter-Horizon", strconv.FormatUint(compacted.Horizon.Seq, 10))
			}
		} else if err == nil {
			err = gone
		}
		if err == nil {
			err = reading.Refresh()
		}
		if err != nil {
			return s.cut(reason(ctx, err))
		}
		through = page.Through.Seq
		for i := range page.Facts {
			s.buf = append(appendJSON(s.buf, &page.Facts[i]), '\n')
			if limit--; limit == 0 {
				return s.flush()
			}
			if len(s.buf) < streamBuffer {
				continue
			}
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return s.flush()
}
