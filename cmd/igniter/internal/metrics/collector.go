// Package metrics gives what a server counts, and what its log holds, to Prometheus.
package metrics

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
)

// A Collector is a prometheus.Collector of a server and its log. Each collection reads them anew.
type Collector struct {
	server *server.Server
	log    backend.Log
}

// New returns a Collector.
func New(s *server.Server, log backend.Log) *Collector { return &Collector{s, log} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("igniter_"+name, help, labels, nil)
}

var (
	requests  = desc("requests_total", "Requests answered, or being streamed, by op.", "op")
	slow      = desc("slow_requests_total", "Requests that took longer than the server's limit for slow ones, by op.", "op")
	durations = desc("request_duration_seconds", "From when a request was read until its answer was ready; of streams, until the first answer.", "op")
	failures  = desc("errors_total", "Requests that failed, by the code of the answer.", "code")

	ready         = desc("ready", "1 while the server serves, 0 while it drains.")
	started       = desc("start_time_seconds", "When the server began, in seconds since 1970.")
	factsIn       = desc("facts_in_total", "Facts that clients wrote.")
	factsOut      = desc("facts_out_total", "Facts that clients were sent.")
	pushed        = desc("facts_pushed_total", "Facts that subscriptions were sent.")
	bytesIn       = desc("received_bytes_total", "Bytes that clients sent.")
	bytesOut      = desc("sent_bytes_total", "Bytes that clients were sent.")
	connections   = desc("connections", "Open connections.")
	accepted      = desc("connections_accepted_total", "Connections that were accepted.")
	closed        = desc("connections_closed_total", "Connections that have ended.")
	rejected      = desc("connections_rejected_total", "Connections that were turned away for want of room.")
	cutOff        = desc("connections_cut_off_total", "Connections that were cut off, since the client sent or took too slowly.")
	subscriptions = desc("subscriptions", "Open subscriptions.")
	lag           = desc("subscription_lag_seqs", "How many seqs the subscription that is furthest behind has still to be sent.")

	facts     = desc("log_facts", "Facts that the log holds.")
	firstSeq  = desc("log_first_seq", "The first seq that the log holds.")
	lastSeq   = desc("log_last_seq", "The last seq that the log gave.")
	durable   = desc("log_durable_seq", "Facts through this seq survive a power cut.")
	bytes     = desc("log_bytes", "Bytes that the log takes.")
	segments  = desc("log_segments", "Segment files of the log.")
	snapshots = desc("log_snapshots", "Snapshot files of the log.")
	fileBytes = desc("log_file_bytes", "Bytes that the log's files take, by kind.", "kind")
	lastSync  = desc("log_last_sync_seconds", "When facts were last made durable, in seconds since 1970; 0: not yet.")
	groups    = desc("log_writes_total", "Writes of the log since it was opened, each of one fact or several.")
	grouped   = desc("log_written_facts_total", "Facts in those writes.")
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requests, slow, durations, failures, ready, started, factsIn, factsOut, pushed, bytesIn, bytesOut, connections, accepted, closed,
		rejected, cutOff, subscriptions, lag, facts, firstSeq, lastSeq, durable, bytes, segments, snapshots, fileBytes, lastSync, groups, grouped,
	} {
		out <- d
	}
}

// A sink takes in metrics.
type sink chan<- prometheus.Metric

func (out sink) counter(d *prometheus.Desc, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (out sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	out, m := sink(metrics), c.server.Metrics()
	for op, n := range m.Requests {
		out.counter(requests, n, op)
	}
	for op, n := range m.Slow {
		out.counter(slow, n, op)
	}
	for op, h := range m.Latency {
		out.histogram(durations, h, op)
	}
	for code, n := range m.Errors {
		out.counter(failures, n, code)
	}
	out.gauge(ready, map[bool]float64{true: 1}[c.server.Status() == server.Ready])
	out.gauge(started, seconds(m.StartedAt))
	out.counter(factsIn, m.FactsIn)
	out.counter(factsOut, m.FactsOut)
	out.counter(pushed, m.Pushed)
	out.counter(bytesIn, m.BytesIn)
	out.counter(bytesOut, m.BytesOut)
	out.gauge(connections, float64(m.Connections))
	out.counter(accepted, m.Accepted)
	out.counter(closed, m.Closed)
	out.counter(rejected, m.Rejected)
	out.counter(cutOff, m.CutOff)
	out.gauge(subscriptions, float64(m.Subscriptions))
	out.gauge(lag, float64(m.Lag))
	if s, err := c.log.Stats(context.Background()); err == nil {
		out.stats(&s)
	}
}

// stats gives what a log holds.
func (out sink) stats(s *backend.Stats) {
	out.gauge(facts, float64(s.Facts))
	out.gauge(firstSeq, float64(s.FirstSeq))
	out.gauge(lastSeq, float64(s.LastSeq))
	out.gauge(durable, float64(s.DurableSeq))
	out.gauge(bytes, float64(s.Bytes))
	d := s.Storage
	if d == nil {
		return
	}
	out.gauge(segments, float64(d.Segments))
	out.gauge(snapshots, float64(d.Snapshots))
	for kind, n := range map[string]uint64{
		"segments": d.SegmentBytes, "snapshots": d.SnapshotBytes, "indexes": d.IndexBytes, "ahead": d.AheadBytes, "quarantine": d.QuarantineBytes,
	} {
		out.gauge(fileBytes, float64(n), kind)
	}
	out.gauge(lastSync, seconds(d.LastSync))
	out.counter(groups, d.Groups)
	out.counter(grouped, d.Grouped)
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

// histogram gives a histogram, whose buckets Prometheus wants with all that is below them. The counts are read while
// they grow; the whole is what the buckets have.
func (out sink) histogram(d *prometheus.Desc, h server.Histogram, labels ...string) {
	buckets, count := map[float64]uint64{}, uint64(0)
	for i, n := range h.Buckets {
		count += n
		if i < len(h.Buckets)-1 {
			buckets[h.Bound(i).Seconds()] = count
		}
	}
	out <- prometheus.MustNewConstHistogram(d, count, math.Max(0, h.Sum.Seconds()), buckets, labels...)
}
