package web

import (
	"net/http"

	"github.com/igniter-store/igniter/backend"
)

// facts sends the log up to its end. A client that is cut off sees that the answer is not whole.
func (h *Handler) facts(w http.ResponseWriter, r *http.Request, q *request) error {
	after, _, err := seqParameter("after", r.FormValue("after"))
	if err != nil {
		return err
	}
	has, err := q.grant.Readable(r.Form["store"]...)
	if err != nil {
		return err
	}
	s := h.newStream(w, "application/x-ndjson")
	for f, err := range q.log.Replay(r.Context(), after) {
		if err != nil {
			return s.cut(err)
		}
		if has != nil && !has(f.Store) {
			continue
		}
		s.buf = append(appendJSON(s.buf, &f), '\n')
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
