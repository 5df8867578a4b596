package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
)

// A statusReport is what /v1/status says.
type statusReport struct {
	Status    server.Status `json:"status"`
	StartedAt time.Time     `json:"started_at"`
	UptimeMS  int64         `json:"uptime_ms"`

	Log *logStatus `json:"log"` // null: the backend does not say

	Requests map[string]uint64 `json:"requests"`
	Slow     map[string]uint64 `json:"slow"`
	Errors   map[string]uint64 `json:"errors"`

	FactsIn  uint64 `json:"facts_in"`
	FactsOut uint64 `json:"facts_out"`
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`

	Connections   int    `json:"connections"`
	Accepted      uint64 `json:"accepted"`
	Closed        uint64 `json:"closed"`
	Rejected      uint64 `json:"rejected"`
	CutOff        uint64 `json:"cut_off"`
	Subscriptions int    `json:"subscriptions"`
	Lag           uint64 `json:"lag"`
	Streams       int    `json:"streams"` // of HTTP
	LastError     string `json:"last_error,omitempty"`
}

type logStatus struct {
	FirstSeq   uint64 `json:"first_seq"`
	LastSeq    uint64 `json:"last_seq"`
	DurableSeq uint64 `json:"durable_seq"`
	Facts      uint64 `json:"facts"`
	Bytes      uint64 `json:"bytes"`
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request, q *request) error {
	if err := q.client.Grant.MayAdmin("see the status"); err != nil {
		return err
	}
	m := q.server.Metrics()
	report := statusReport{
		Status: q.server.Status(), StartedAt: m.StartedAt.UTC(), UptimeMS: time.Since(m.StartedAt).Milliseconds(),
		Requests: m.Requests, Slow: m.Slow, Errors: m.Errors,
		FactsIn: m.FactsIn, FactsOut: m.FactsOut, BytesIn: m.BytesIn, BytesOut: m.BytesOut,
		Connections: m.Connections, Accepted: m.Accepted, Closed: m.Closed, Rejected: m.Rejected, CutOff: m.CutOff,
		Subscriptions: m.Subscriptions, Lag: m.Lag, Streams: h.Streams(), LastError: m.LastError,
	}
	s, err := backend.StatsOf(r.Context(), q.log)
	switch {
	case err == nil:
		report.Log = &logStatus{s.FirstSeq, s.LastSeq, s.DurableSeq, s.Facts, s.Bytes}
	case !errors.Is(err, errors.ErrUnsupported):
		return err
	}
	h.answer(w, http.StatusOK, report)
	return nil
}
