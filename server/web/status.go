package web

import (
	"net/http"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
)

// A statusReport is the answer of /v1/status.
type statusReport struct {
	Status   server.Status `json:"status"`
	UptimeMS int64         `json:"uptime_ms"`
	Log      logStatus     `json:"log"`
	Streams  int           `json:"streams"` // of HTTP
	server.Metrics
}

type logStatus struct {
	FirstSeq   uint64 `json:"first_seq"`
	LastSeq    uint64 `json:"last_seq"`
	DurableSeq uint64 `json:"durable_seq"`
	Facts      uint64 `json:"facts"`
	Bytes      uint64 `json:"bytes"`

	ID        backend.LogID      `json:"id,omitzero"` // the log's identity
	Ancestors []backend.Ancestor `json:"ancestors,omitempty"`
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request, q *request) error {
	if err := q.client.Grant.MayAdmin("see the status"); err != nil {
		return err
	}
	s, err := q.log.Stats(r.Context())
	if err != nil {
		return err
	}
	m := q.server.Metrics()
	h.answer(w, http.StatusOK, statusReport{
		Status: q.server.Status(), UptimeMS: time.Since(m.StartedAt).Milliseconds(), Streams: h.Streams(), Metrics: m,
		Log: logStatus{s.FirstSeq, s.LastSeq, s.DurableSeq, s.Facts, s.Bytes, s.Log, s.Ancestors},
	})
	return nil
}
