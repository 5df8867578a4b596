// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// statusReport is the answer to server_status, with the keys of the Ruby system in their order. This server has no queues
// of subscribers and the like; their fields are empty.
type statusReport struct {
	OK            bool             `json:"ok"`
	SchemaVersion int              `json:"schema_version"`
	GeneratedAt   string           `json:"generated_at"`
	Status        Status           `json:"status"`
	UptimeMS      int64            `json:"uptime_ms"`
	Metrics       statusMetrics    `json:"metrics"`
	Alerts        []string         `json:"alerts"`
	Storage       *struct{}        `json:"storage"`
	Server        statusServer     `json:"server"`
	Changefeed    statusChangefeed `json:"changefeed"`
}

type statusMetrics struct {
	Requests          map[string]uint64 `json:"requests_total"`
	Errors            map[string]uint64 `json:"errors_total"`
	SlowOps           map[string]uint64 `json:"slow_ops_total"`
	FactsWritten      uint64            `json:"facts_written"`
	FactsReplayed     uint64            `json:"facts_replayed"`
	BytesIn           uint64            `json:"bytes_in"`
	BytesOut          uint64            `json:"bytes_out"`
	ActiveConnections int               `json:"active_connections"`
	Accepted          uint64            `json:"accepted_connections_total"`
	Closed            uint64            `json:"closed_connections_total"`
	Rejected          uint64            `json:"rejected_connections_total"`
	Subscriptions     int               `json:"subscription_count"`
}

type statusServer struct {
	Backend     string  `json:"backend"`
	Transport   string  `json:"transport"`
	BindAddress string  `json:"bind_address"`
	LastError   *string `json:"last_error"`
}

type statusChangefeed struct {
	Emitted         uint64            `json:"emitted_total"`
	Delivered       uint64            `json:"delivered_total"`
	Dropped         uint64            `json:"dropped_total"`
	OverflowDropped uint64            `json:"overflow_dropped_total"`
	Failed          uint64            `json:"failed_total"`
	Buffered        uint64            `json:"buffered"`
	MaxSize         uint64            `json:"max_size"`
	Subscribers     int               `json:"subscriber_count"`
	QueueSize       int               `json:"subscriber_queue_size"`
	Overflow        string            `json:"overflow"`
	ClosePolicy     string            `json:"close_policy"`
	Queued          uint64            `json:"total_queued"`
	Oldest          uint64            `json:"oldest_sequence"`
	Newest          uint64            `json:"newest_sequence"`
	Alerts          []string          `json:"alerts"`
	Diagnostics     statusDiagnostics `json:"diagnostics"`
}

type statusDiagnostics struct {
	Recent  []string `json:"recent"`
	Count   int      `json:"recent_count"`
	Dropped int      `json:"dropped_diagnostics_total"`
}

func (c *conn) status(r *protocol.Request) error {
	if err := c.client.Grant.MayAdmin(r.Op); err != nil {
		return err
	}
	s := c.server
	m := s.Metrics()
	maps.DeleteFunc(m.Errors, func(_ string, n uint64) bool { return n == 0 }) // as in the Ruby system
	stats, err := s.Stats(s.ctx)
	if err != nil {
		stats = backend.Stats{LastSeq: s.last.Load()}
	}
	report := statusReport{
		OK: true, SchemaVersion: 1, GeneratedAt: time.Now().UTC().Format("2006-01-02T15:04:05.000-07:00"),
		Status: s.Status(), UptimeMS: time.Since(m.StartedAt).Milliseconds(), Alerts: []string{},
		Metrics: statusMetrics{
			Requests: m.Requests, Errors: m.Errors, SlowOps: m.Slow, FactsWritten: m.FactsIn, FactsReplayed: m.FactsOut - m.Pushed,
			BytesIn: m.BytesIn, BytesOut: m.BytesOut, ActiveConnections: m.Connections,
			Accepted: m.Accepted, Closed: m.Closed, Rejected: m.Rejected, Subscriptions: m.Subscriptions,
		},
		Server: statusServer{Backend: s.kind, Transport: c.at.Network(), BindAddress: c.at.String()},
		Changefeed: statusChangefeed{
			Emitted: m.FactsIn, Delivered: m.Pushed, Buffered: stats.Facts, MaxSize: stats.Facts, Subscribers: m.Subscriptions,
			Overflow: "none", ClosePolicy: "drain", Queued: m.Lag, Oldest: stats.FirstSeq, Newest: stats.LastSeq, Alerts: []string{},
			Diagnostics: statusDiagnostics{Recent: []string{}},
		},
	}
	if m.LastError != "" {
		report.Server.LastError = &m.LastError
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	c.answer(func(dst []byte) []byte { return protocol.CloseAnswer(append(dst, text[:len(text)-1]...), r.ID) })
	return nil
}
