// Package metrics gives Prometheus what a server counts and what its log holds.
package metrics

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
)

// A Collector is a prometheus.Collector of a server and its log. Each collection reads them again.
type Collector struct {
	server *server.Server
}

// New returns a Collector.
func New(s *server.Server) *Collector { return &Collector{s} }

// Describe implements prometheus.Collector. It describes nothing: Collect says what there is.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	out, m := sink(metrics), c.server.Metrics()
	for op, n := range m.Requests {
		out.counter("requests_total", "Requests answered, or being streamed, by op.", n, "op", op)
	}
	for op, n := range m.Slow {
		out.counter("slow_requests_total", "Requests that took longer than the server's limit for slow ones, by op.", n, "op", op)
	}
	for op, h := range m.Latency {
		out.histogram("request_duration_seconds", "Time from reading a request until its answer was ready; for a stream, until its first answer.", h, "op", op)
	}
	for code, n := range m.Errors {
		out.counter("errors_total", "Requests that failed, by the code of the answer.", n, "code", code)
	}
	ready := 0.0
	if c.server.Status() == server.Ready {
		ready = 1
	}
	out.gauge("ready", "1 while the server serves, 0 while it drains.", ready)
	out.gauge("start_time_seconds", "When the server started, in seconds since 1970.", seconds(m.StartedAt))
	out.counter("facts_in_total", "Facts that clients wrote.", m.FactsIn)
	out.counter("facts_out_total", "Facts that were sent to clients.", m.FactsOut)
	out.counter("facts_pushed_total", "Facts that were sent to subscriptions.", m.Pushed)
	out.counter("received_bytes_total", "Bytes that clients sent.", m.BytesIn)
	out.counter("sent_bytes_total", "Bytes that were sent to clients.", m.BytesOut)
	out.gauge("connections", "Open connections.", float64(m.Connections))
	out.counter("connections_accepted_total", "Connections that were accepted.", m.Accepted)
	out.counter("connections_closed_total", "Connections that have ended.", m.Closed)
	out.counter("connections_rejected_total", "Connections that were rejected because there were too many.", m.Rejected)
	out.counter("connections_cut_off_total", "Connections that were cut off because the client sent or read too slowly.", m.CutOff)
	out.gauge("subscriptions", "Open subscriptions.", float64(m.Subscriptions))
	out.gauge("subscription_lag_seqs", "How many seqs the slowest subscription is behind.", float64(m.Lag))
	if s, err := c.server.Stats(context.Background()); err == nil {
		out.stats(&s)
	}
}

// A sink takes in metrics. Labels are names, then their values.
type sink chan<- prometheus.Metric

func (out sink) counter(name, help string, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc(name, help, labels), prometheus.CounterValue, float64(n), labels[len(labels)/2:]...)
}

func (out sink) gauge(name, help string, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc(name, help, labels), prometheus.GaugeValue, v, labels[len(labels)/2:]...)
}

// histogram gives a histogram, whose buckets Prometheus wants to be cumulative. The counts are read while they grow; the
// total is the sum of the buckets.
func (out sink) histogram(name, help string, h server.Histogram, labels ...string) {
	buckets, count := map[float64]uint64{}, uint64(0)
	for i, n := range h.Buckets {
		count += n
		if i < len(h.Buckets)-1 {
			buckets[h.Bound(i).Seconds()] = count
		}
	}
	out <- prometheus.MustNewConstHistogram(desc(name, help, labels), count, math.Max(0, h.Sum.Seconds()), buckets, labels[len(labels)/2:]...)
}

func desc(name, help string, labels []string) *prometheus.Desc {
	return prometheus.NewDesc("igniter_"+name, help, labels[:len(labels)/2], nil)
}

// stats gives what a log holds.
func (out sink) stats(s *backend.Stats) {
	out.gauge("log_facts", "Facts that the log holds.", float64(s.Facts))
	out.gauge("log_first_seq", "The first seq that the log holds.", float64(s.FirstSeq))
	out.gauge("log_last_seq", "The last seq that the log gave.", float64(s.LastSeq))
	out.gauge("log_durable_seq", "Facts through this seq survive a power cut.", float64(s.DurableSeq))
	out.gauge("log_bytes", "Bytes that the log takes.", float64(s.Bytes))
	out.gauge("log_ahead_seconds", "How far the log's last time is ahead of the clock, which makes facts a nanosecond apart; 0: it is not.", s.Ahead(time.Now()).Seconds())
	failed := 0.0
	if s.Failed != "" {
		failed = 1
	}
	out.gauge("log_failed", "1 if the log's storage failed, and it takes no more writes until it is opened again.", failed)
	d := s.Storage
	if d == nil {
		return
	}
	out.gauge("log_segments", "Segment files of the log.", float64(d.Segments))
	out.gauge("log_snapshots", "Snapshot files of the log.", float64(d.Snapshots))
	for kind, n := range map[string]uint64{
		"segments": d.SegmentBytes, "snapshots": d.SnapshotBytes, "indexes": d.IndexBytes, "ahead": d.AheadBytes, "quarantine": d.QuarantineBytes,
		"reserve": d.ReserveBytes,
	} {
		out.gauge("log_file_bytes", "Bytes that the log's files take, by kind.", float64(n), "kind", kind)
	}
	out.gauge("log_unindexed", "Sealed files of the log that have no index, which makes it open more slowly and keeps its head before them.", float64(d.Unindexed))
	out.gauge("log_damaged", "Damaged places, or missing files, that the log has met since it was opened.", float64(d.Damaged))
	out.gauge("log_last_sync_seconds", "When facts were last made durable, in seconds since 1970; 0: not yet.", seconds(d.LastSync))
	out.counter("log_writes_total", "Writes of the log since it was opened, each of one fact or several.", d.Groups)
	out.counter("log_written_facts_total", "Facts in those writes.", d.Grouped)
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}
