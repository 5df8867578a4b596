// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// Metrics has the counters of a server since New. The keys of the maps are ops; requests with an unknown op are counted as
// "unknown".
type Metrics struct {
	StartedAt time.Time `json:"started_at"`

	Requests map[string]uint64          `json:"requests"` // answered, or being streamed
	Slow     map[string]uint64          `json:"slow"`     // took longer than Options.SlowOp
	Latency  map[string]backend.Timings `json:"-"`        // from reading a request until its answer was ready; of streams, until they began
	Errors   map[string]uint64          `json:"errors"`   // by the error code of the answer; includes errors passed to Failed

	FactsIn  uint64 `json:"facts_in"`  // new facts that clients wrote
	FactsOut uint64 `json:"facts_out"` // facts sent to clients
	Pushed   uint64 `json:"pushed"`    // the part of FactsOut that was sent to subscriptions
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`

	Connections   int     `json:"connections"`          // open ones
	Accepted      uint64  `json:"accepted"`             // connections so far
	Closed        uint64  `json:"closed"`               // connections so far
	Rejected      uint64  `json:"rejected"`             // connections beyond Options.MaxConnections
	CutOff        uint64  `json:"cut_off"`              // connections of clients that sent or read too slowly
	Subscriptions int     `json:"subscriptions"`        // open ones
	Lag           uint64  `json:"lag"`                  // of the slowest subscription, in seqs
	Memory        int     `json:"-"`                    // bytes that requests and answers take, see Options.MaxMemory
	Backup        *Backup `json:"-"`                    // the latest; nil: there was none since New
	LastError     string  `json:"last_error,omitempty"` // the latest failure of the log or of a connection; "": none yet
}

// A Subscription is a client that follows the log.
type Subscription struct {
	Token  string    `json:"token"`  // the name of its token or certificate; "": the server requires neither
	Peer   string    `json:"peer"`   // the client's address
	Stores []string  `json:"stores"` // nil: all
	Since  time.Time `json:"since"`
	Seq    uint64    `json:"seq"` // the client was sent the log through this seq
	Lag    uint64    `json:"lag"` // seqs behind the log

	LagSince time.Time `json:"lag_since,omitzero"` // see Server.Behind
}

// Subscriptions returns the clients that follow the log over connections of the server.
func (s *Server) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Subscription{}
	for c := range s.conns {
		at, ok := c.subscribed()
		if x := c.follow.Load(); ok && x != nil {
			sub := *x
			sub.Seq = at
			sub.Lag, sub.LagSince = s.Behind(at)
			all = append(all, sub)
		}
	}
	return all
}

// A Refusal counts the requests that failed with a code, with the time of the last one.
type Refusal struct {
	Code  string    `json:"code"`
	Count uint64    `json:"count"`
	Last  time.Time `json:"last"`
	Peer  string    `json:"peer,omitempty"` // of the last one
}

// Refusals returns the counts of failed requests, the most frequent codes first.
func (s *Server) Refusals() []Refusal {
	m := s.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Refusal, 0, len(m.refusals))
	for code, r := range m.refusals {
		r.Count = m.errors[code]
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Refusal) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code)) })
	return all
}

// A Backup describes a backup of the log that a client has made.
type Backup struct {
	Seq   uint64    `json:"seq"` // the backup has the log through this seq
	Time  time.Time `json:"time"`
	Token string    `json:"token,omitempty"` // the name of the client's token
}

// ReadOnly reports whether the server takes no writes because of Options.ReadOnly.
func (s *Server) ReadOnly() bool { return s.opts.ReadOnly }

// Writable reports whether the server takes writes, as far as it knows. stats are of its log.
func (s *Server) Writable(stats *backend.Stats) bool {
	return stats.Failed == "" && !s.ReadOnly() && !s.full.Load() && s.Status() == Ready
}

// Refused counts and logs a failed login of a client that uses no connection of this server, such as a client of package
// web. It logs ten lines per minute, and every thousandth line after that.
func (s *Server) Refused(peer string, err error) {
	s.metrics.failed(protocol.ErrorCode(err), peer, err)
	s.sampled.Info("a login was refused", zap.String("client", peer), zap.Error(err))
}

// opMetrics are the counters of one op.
type opMetrics struct {
	requests, slow, count atomic.Uint64
	sum                   atomic.Int64
	buckets               [backend.TimingBuckets]atomic.Uint64
}

// took counts n requests that took d each.
func (m *opMetrics) took(d time.Duration, n int, slow bool) {
	m.buckets[backend.TimingBucket(d)].Add(uint64(n))
	m.count.Add(uint64(n))
	m.sum.Add(int64(d) * int64(n))
	if slow {
		m.slow.Add(uint64(n))
	}
}

// metrics are a server's counters.
type metrics struct {
	ops map[string]*opMetrics // immutable

	factsIn, factsOut, bytesIn, bytesOut atomic.Uint64
	accepted, closed, rejected, cutOff   atomic.Uint64
	pushed                               atomic.Uint64

	mu        sync.Mutex
	errors    map[string]uint64
	refusals  map[string]Refusal // by code, without the count
	lastError string
	backup    *Backup
}

// unknownOp is the name under which requests with an unknown op are counted.
const unknownOp = "unknown"

func newMetrics() *metrics {
	m := &metrics{ops: map[string]*opMetrics{}, errors: map[string]uint64{}, refusals: map[string]Refusal{}}
	for op := range ops {
		m.ops[op] = &opMetrics{}
	}
	for _, code := range protocol.ErrorCodes() { // start at 0, so that monitoring sees the first error as an increase
		m.errors[code] = 0
	}
	m.ops[unknownOp] = &opMetrics{}
	return m
}

func (m *metrics) of(op string) *opMetrics {
	if known := m.ops[op]; known != nil {
		return known
	}
	return m.ops[unknownOp]
}

// logFailures are the messages that the server logs for failures of the log, by their codes.
var logFailures = map[string]string{
	protocol.CodeInternal: "a request failed",
	"storage_full":        "the log has no room", "storage_failed": "the log's storage failed", "corrupt": "the log is damaged",
}

// failed counts a request that failed, of the client at peer; "": not known.
func (m *metrics) failed(code, peer string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errors[code]++
	m.refusals[code] = Refusal{Code: code, Last: time.Now().UTC(), Peer: peer}
	if logFailures[code] != "" {
		m.lastError = err.Error()
	}
}

// Failed counts a failed request. If the log caused the error, Failed also logs it, at most once per minute for each kind.
// The Server calls it for its own clients; other servers of the same log, such as package web, call it for theirs.
func (s *Server) Failed(err error) { s.failed("", err) }

// failed is Failed for a request of the client at peer; "": not known.
func (s *Server) failed(peer string, err error) {
	code := protocol.ErrorCode(err)
	s.metrics.failed(code, peer, err)
	what := logFailures[code]
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		what = "the process has no file descriptors left: raise its limit, or lower the limits of connections"
	}
	if what != "" {
		s.failures.Error(what, zap.Error(err))
	}
}

// Metrics returns the counters of the server.
func (s *Server) Metrics() Metrics {
	m := s.metrics
	out := Metrics{
		Requests: map[string]uint64{}, Slow: map[string]uint64{}, Latency: map[string]backend.Timings{},
		FactsIn: m.factsIn.Load(), FactsOut: m.factsOut.Load(), BytesIn: m.bytesIn.Load(), BytesOut: m.bytesOut.Load(),
		Accepted: m.accepted.Load(), Closed: m.closed.Load(), Rejected: m.rejected.Load(), CutOff: m.cutOff.Load(),
		Pushed: m.pushed.Load(), StartedAt: s.started.UTC(),
	}
	for op, x := range m.ops {
		if n := x.requests.Load(); n > 0 {
			out.Requests[op] = n
		}
		if n := x.slow.Load(); n > 0 {
			out.Slow[op] = n
		}
		if n := x.count.Load(); n > 0 {
			h := backend.Timings{Count: n, Sum: time.Duration(x.sum.Load())}
			for i := range h.Buckets {
				h.Buckets[i] = x.buckets[i].Load()
			}
			out.Latency[op] = h
		}
	}
	m.mu.Lock()
	out.Errors, out.LastError, out.Backup = maps.Clone(m.errors), m.lastError, m.backup
	m.mu.Unlock()
	last := s.last.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Connections, out.Memory = len(s.conns), int(s.memory)
	for c := range s.conns {
		if at, ok := c.subscribed(); ok {
			out.Subscriptions++
			out.Lag = max(out.Lag, last-min(at, last))
		}
	}
	return out
}
