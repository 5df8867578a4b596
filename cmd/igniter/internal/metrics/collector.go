// SPDX-License-Identifier: Apache-2.0

// Package metrics collects the metrics of a server and its log for Prometheus.
package metrics

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
)

// A Collector is a prometheus.Collector of a server and its log. Each collection reads them again.
type Collector struct {
	server *server.Server
	site   Site
}

// A Site has functions that return what the server itself does not know. Each may be nil.
type Site struct {
	Requests    func() []web.RequestCount
	Subscribers func() []web.Subscriber
	About       func() web.About
	Stores      func() []query.Store // with the most facts first
}

// maxStores is how many stores have metrics of their own; the rest are counted together, as "(others)".
const maxStores = 100

// New returns a Collector.
func New(s *server.Server, site Site) *Collector { return &Collector{s, site} }

// Describe implements prometheus.Collector. It describes nothing, since the metrics are only known when they are
// collected.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	out, m := sink(metrics), c.server.Metrics()
	for op, n := range m.Requests {
		out.counter("requests_total", "Requests answered, or being streamed, by op.", n, "op", op)
		out.counter("slow_requests_total", "Requests that took longer than the server's limit for slow ones, by op.", m.Slow[op], "op", op)
	}
	for op, h := range m.Latency {
		out.histogram("request_duration_seconds", "Time from reading a request until its answer was ready; for a stream, until its first answer.", h, "op", op)
	}
	for code, n := range m.Errors {
		out.counter("errors_total", "Requests that failed, by the code of the answer.", n, "code", code)
	}
	out.gauge("ready", "1 while the server serves, 0 while it drains.", number(c.server.Status() == server.Ready))
	out.gauge("read_only", "1 for a server that takes no writes, such as a mirror.", number(c.server.ReadOnly()))
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
	if b := m.Backup; b != nil {
		out.gauge("last_backup_seq", "The seq that the latest backup over the network reached, since the server began.", float64(b.Seq))
		out.gauge("last_backup_seconds", "When that backup was made, in seconds since 1970.", seconds(b.Time))
	}
	c.collectSite(out)
	if s, err := c.server.Stats(context.Background()); err == nil {
		out.gauge("writable", "1 while the server takes writes.", number(c.server.Writable(&s)))
		out.histogram("sync_duration_seconds", "Time that making facts durable took.", s.Syncs)
		out.stats(&s)
	}
}

// collectSite sends the metrics of the site.
func (c *Collector) collectSite(out sink) {
	if c.site.Requests != nil {
		took := map[string]backend.Timings{}
		for _, n := range c.site.Requests() {
			out.counter("http_requests_total", "HTTP requests that were answered, by route, code and token.", n.Count, "route", "code", "token", n.Route, strconv.Itoa(n.Code), n.Client)
			h := took[n.Route]
			h.Count, h.Sum = h.Count+n.Took.Count, h.Sum+n.Took.Sum
			for i, of := range n.Took.Buckets {
				h.Buckets[i] += of
			}
			took[n.Route] = h
		}
		for route, h := range took {
			out.histogram("http_request_duration_seconds", "Time until an HTTP request was answered; for a stream, until it ended.", h, "route", route)
		}
	}
	if c.site.Subscribers != nil {
		lag := map[string]uint64{}
		for _, s := range c.site.Subscribers() {
			lag[s.Token] = max(lag[s.Token], s.Lag)
		}
		for token, n := range lag {
			out.gauge("subscriber_lag_seqs", "How many seqs the slowest subscriber of a token is behind the log.", float64(n), "token", token)
		}
	}
	if c.site.About != nil {
		about := c.site.About()
		if cert := about.Certificate; cert != nil {
			out.gauge("certificate_not_after_seconds", "When the server's certificate ends, in seconds since 1970.", seconds(cert.NotAfter))
		}
		if r := about.Reloaded; r != nil {
			out.gauge("last_reload_seconds", "When tokens and certificates were last read, in seconds since 1970.", seconds(r.Time))
			out.gauge("last_reload_success", "1 if all of them could be read then.", number(r.OK))
		}
		if about.DiskFree > 0 {
			out.gauge("disk_free_bytes", "Bytes that can be written to the log's file system.", float64(about.DiskFree))
		}
	}
	if c.site.Stores != nil {
		others := query.Store{Store: "(others)"}
		for i, s := range c.site.Stores() {
			if i < maxStores {
				out.store(&s)
				continue
			}
			others.Facts, others.Bytes = others.Facts+s.Facts, others.Bytes+s.Bytes
		}
		if others.Facts > 0 {
			out.store(&others)
		}
	}
}

func (out sink) store(s *query.Store) {
	out.gauge("store_facts", "Facts that the log holds, by store; of the stores with the most.", float64(s.Facts), "store", s.Store)
	out.gauge("store_bytes", "Bytes of keys, values and IDs that the log holds, by store; of the stores with the most facts.", float64(s.Bytes), "store", s.Store)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// A sink is where metrics are sent. Labels are names, then their values.
type sink chan<- prometheus.Metric

func (out sink) counter(name, help string, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc(name, help, labels), prometheus.CounterValue, float64(n), labels[len(labels)/2:]...)
}

func (out sink) gauge(name, help string, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc(name, help, labels), prometheus.GaugeValue, v, labels[len(labels)/2:]...)
}

// histogram gives a histogram, whose buckets Prometheus wants to be cumulative. The counts are read while they grow; the
// total is the sum of the buckets.
func (out sink) histogram(name, help string, h backend.Timings, labels ...string) {
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

// stats sends the metrics of a log.
func (out sink) stats(s *backend.Stats) {
	out.gauge("log_facts", "Facts that the log holds.", float64(s.Facts))
	out.gauge("log_first_seq", "The first seq that the log holds.", float64(s.FirstSeq))
	out.gauge("log_last_seq", "The last seq that the log gave.", float64(s.LastSeq))
	out.gauge("log_durable_seq", "Facts through this seq survive a power cut.", float64(s.DurableSeq))
	out.gauge("log_bytes", "Bytes that the log takes.", float64(s.Bytes))
	out.gauge("log_ahead_seconds", "How far the log's last time is ahead of the clock, which makes facts a nanosecond apart; 0: it is not.", s.Ahead(time.Now()).Seconds())
	out.gauge("log_failed", "1 if the log's storage failed, and it takes no more writes until it is opened again.", number(s.Failed != ""))
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
