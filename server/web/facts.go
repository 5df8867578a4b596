package web

import (
	"net/http"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// facts sends the log up to its end. A client whose answer is cut off sees that it is not whole.
func (h *Handler) facts(w http.ResponseWriter, r *http.Request, q *request) error {
	given, err := parameters(r, "after", "store", "limit")
	if err != nil {
		return err
	}
	after, _, err := seqParameter("after", given.Get("after"))
	if err != nil {
		return err
	}
	limit, err := limitParameter(given.Get("limit"))
	if err != nil {
		return err
	}
	stores, err := q.client.Grant.Readable(given["store"])
	if err != nil {
		return err
	}
	s := h.newStream(w, "application/x-ndjson")
	if r.Method == http.MethodHead {
		return nil
	}
	for f, err := range q.log.Replay(r.Context(), after) {
		if err != nil {
			return s.cut(err)
		}
		if stores != nil && !slices.Contains(stores, f.Store) {
			continue
		}
		s.buf = append(appendJSON(s.buf, &f), '\n')
		if limit--; limit == 0 {
			break
		}
		if len(s.buf) < streamBuffer {
			continue
		}
		if err := s.flush(); err != nil {
			return err
		}
		select {
		case <-q.server.Draining():
			return s.cut(backend.ErrUnavailable)
		default:
		}
	}
	return s.flush()
}
