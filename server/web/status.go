// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/server"
)

// About describes a program, see [Options.About]. Zero fields are left out of answers.
type About struct {
	Version, Revision string
	LogName           string // the operator's name for the log
	DiskFree          uint64
	Memory            Memory
	Certificate       *Certificate
	Reloaded          *Reloaded
}

// Memory is the memory of a process.
type Memory struct {
	Used        uint64 `json:"used"`
	Limit       uint64 `json:"limit"`        // 0: none
	StoresLimit int64  `json:"stores_limit"` // for stores in memory, see query.Reader
}

// A Certificate describes the certificate of a server.
type Certificate struct {
	NotAfter time.Time `json:"not_after"`
	Subject  string    `json:"subject"`
	Client   string    `json:"client"` // none, wanted or required: whether clients show a certificate
}

// Reloaded says when the tokens and certificates were last read.
type Reloaded struct {
	Time   time.Time `json:"time"`
	OK     bool      `json:"ok"`
	Error  string    `json:"error,omitempty"`
	Tokens int       `json:"tokens,omitempty"` // the number of tokens
}

// A Subscriber is a client that follows the log.
type Subscriber struct {
	server.Subscription
	Kind string `json:"kind"` // tcp or http
}

// A statusReport is the answer of /v1/status.
type statusReport struct {
	Status      server.Status       `json:"status"`
	Version     string              `json:"version,omitempty"`
	Revision    string              `json:"revision,omitempty"`
	UptimeMS    int64               `json:"uptime_ms"`
	ReadOnly    bool                `json:"read_only"`
	Writable    bool                `json:"writable"`
	Failed      string              `json:"failed,omitempty"`
	Warnings    []string            `json:"warnings,omitempty"`
	Log         logStatus           `json:"log"`
	DiskFree    uint64              `json:"disk_free,omitempty"`
	Memory      Memory              `json:"memory,omitzero"`
	Streams     int                 `json:"streams"` // of HTTP
	Stores      []query.LoadedStore `json:"stores"`  // in memory
	Subscribers []Subscriber        `json:"subscribers"`
	Latency     map[string]latency  `json:"latency"`
	Certificate *Certificate        `json:"certificate,omitempty"`
	Reloaded    *Reloaded           `json:"reloaded,omitempty"`
	Backup      *server.Backup      `json:"backup,omitempty"`
	Refused     []server.Refusal    `json:"refused"`
	server.Metrics
	Slow []slowOp `json:"slow"`
}

type latency struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
}

type slowOp struct {
	Op    string `json:"op"`
	Count uint64 `json:"count"`
}

type logStatus struct {
	FirstSeq   uint64 `json:"first_seq"`
	LastSeq    uint64 `json:"last_seq"`
	DurableSeq uint64 `json:"durable_seq"`
	Facts      uint64 `json:"facts"`
	Bytes      uint64 `json:"bytes"`

	ID        backend.LogID              `json:"id,omitzero"` // the log's identity
	Ancestors []backend.Ancestor         `json:"ancestors,omitempty"`
	Storage   *backend.Storage           `json:"storage,omitempty"`
	Horizons  map[string]backend.Horizon `json:"horizons,omitempty"`
}

func (h *Handler) status(w *exchange, r *http.Request, q *request) error {
	if p := given(r); p.err != nil {
		return p.err
	}
	if err := q.client.Grant.MayAdmin("see the status"); err != nil {
		return err
	}
	s, err := q.server.Stats(r.Context())
	if err != nil {
		return err
	}
	m, about := q.server.Metrics(), h.opts.About()
	report := statusReport{
		Status: q.server.Status(), Version: about.Version, Revision: about.Revision, UptimeMS: time.Since(m.StartedAt).Milliseconds(),
		ReadOnly: q.server.ReadOnly(), Writable: q.server.Writable(&s), Failed: s.Failed, Warnings: q.server.Warnings(&s),
		Log:      logStatus{s.FirstSeq, s.LastSeq, s.DurableSeq, s.Facts, s.Bytes, s.Log, s.Ancestors, s.Storage, s.Horizons},
		DiskFree: about.DiskFree, Memory: about.Memory, Streams: h.Streams(), Stores: []query.LoadedStore{}, Subscribers: h.Subscribers(),
		Latency: map[string]latency{}, Certificate: about.Certificate, Reloaded: about.Reloaded, Backup: m.Backup, Refused: q.server.Refusals(), Metrics: m, Slow: []slowOp{},
	}
	if q.reader != nil {
		report.Stores = q.reader.Loaded()
	}
	for op, t := range m.Latency {
		report.Latency[op] = latencyOf(&t)
	}
	if t := s.Syncs; t.Count > 0 {
		report.Latency["sync"] = latencyOf(&t)
	}
	for op, n := range m.Slow {
		report.Slow = append(report.Slow, slowOp{op, n})
	}
	slices.SortFunc(report.Slow, func(a, b slowOp) int { return cmp.Compare(b.Count, a.Count) })
	return h.found(w, r, s.LastSeq, report)
}

func latencyOf(t *backend.Timings) latency {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return latency{t.Count, ms(t.Quantile(0.5)), ms(t.Quantile(0.99))}
}

// Subscribers returns the clients that follow the log, over HTTP and over connections of the server, the clients with the
// greatest lag first.
func (h *Handler) Subscribers() []Subscriber {
	all := []Subscriber{}
	a := h.now()
	if a.server == nil {
		return all
	}
	for _, s := range a.server.Subscriptions() {
		all = append(all, Subscriber{s, "tcp"})
	}
	h.mu.Lock()
	for x, s := range h.clients {
		s.Seq = x.sent.Load()
		s.Lag, s.LagSince = a.server.Behind(s.Seq)
		all = append(all, s)
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b Subscriber) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), a.Since.Compare(b.Since), cmp.Compare(a.Peer, b.Peer))
	})
	return all
}
