package server

import (
	"errors"
	"maps"
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/internal/protocol"
)

// buckets is how many buckets a latency histogram has. They end at 1 µs, 2 µs, 4 µs and so on, up to some 34 s, and the
// last one has all that took longer.
const buckets = 27

// Metrics is what a server has counted since New. The keys of the maps are ops; requests with an unknown op are
// counted as "unknown".
type Metrics struct {
	StartedAt time.Time `json:"started_at"`

	Requests map[string]uint64    `json:"requests"` // answered, or being streamed
	Slow     map[string]uint64    `json:"slow"`     // took longer than Options.SlowOp
	Latency  map[string]Histogram `json:"-"`        // from reading a request until its answer was ready; of streams, until they began
	Errors   map[string]uint64    `json:"errors"`   // by the error code of the answer; includes errors passed to Failed

	FactsIn  uint64 `json:"facts_in"`  // new facts that clients wrote
	FactsOut uint64 `json:"facts_out"` // facts that clients were sent
	Pushed   uint64 `json:"pushed"`    // part of FactsOut: facts that subscriptions were sent
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`

	Connections   int    `json:"connections"`          // open ones
	Accepted      uint64 `json:"accepted"`             // connections, ever
	Closed        uint64 `json:"closed"`               // connections, ever
	Rejected      uint64 `json:"rejected"`             // connections beyond Options.MaxConnections
	CutOff        uint64 `json:"cut_off"`              // connections of clients that sent or read too slowly
	Subscriptions int    `json:"subscriptions"`        // open ones
	Lag           uint64 `json:"lag"`                  // how many seqs the slowest subscription is behind the log
	Waiting       int    `json:"-"`                    // open ones whose clients have not shown who they are
	Memory        int    `json:"-"`                    // bytes that requests and answers take, see Options.MaxMemory
	LastError     string `json:"last_error,omitempty"` // the latest failure of the log or of a connection; "": none yet
}

// A Histogram counts how long something took.
type Histogram struct {
	Buckets [buckets]uint64 // the i-th counts what took at most 2^i µs and more than the bucket before; the last one counts the rest
	Count   uint64
	Sum     time.Duration
}

// Bound returns the upper bound of the i-th bucket. The last bucket has none.
func (Histogram) Bound(i int) time.Duration { return time.Microsecond << i }

// opMetrics is what is counted for one op.
type opMetrics struct {
	requests, slow, count atomic.Uint64
	sum                   atomic.Int64
	buckets               [buckets]atomic.Uint64
}

// took counts n requests that took d each.
func (m *opMetrics) took(d time.Duration, n int, slow bool) {
	i := bits.Len64(uint64(max(d-1, 0) / time.Microsecond))
	m.buckets[min(i, buckets-1)].Add(uint64(n))
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
	lastError string
}

// unknownOp is the name under which requests with an unknown op are counted.
const unknownOp = "unknown"

func newMetrics() *metrics {
	m := &metrics{ops: map[string]*opMetrics{}, errors: map[string]uint64{}}
	for op := range ops {
		m.ops[op] = &opMetrics{}
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

// logFailures are what the server logs about failures of the log, by their codes.
var logFailures = map[string]string{
	"storage_full": "the log has no room", "storage_failed": "the log's storage failed", "corrupt": "the log is damaged",
}

func (m *metrics) failed(code string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errors[code]++
	if code == "internal_error" || logFailures[code] != "" {
		m.lastError = err.Error()
	}
}

// Failed counts a request that failed. If the log is to blame, it also logs the error, at most once a minute for each
// kind. The Server calls it for its own clients; other servers of the same log, such as package web, call it for theirs.
func (s *Server) Failed(err error) {
	code := protocol.ErrorCode(err)
	s.metrics.failed(code, err)
	what := logFailures[code]
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		what = "the process has no file descriptors left: raise its limit, or lower the limits of connections"
	}
	if what != "" {
		s.failures.Error(what, zap.Error(err))
	}
}

// Metrics returns what the server has counted so far.
func (s *Server) Metrics() Metrics {
	m := s.metrics
	out := Metrics{
		Requests: map[string]uint64{}, Slow: map[string]uint64{}, Latency: map[string]Histogram{},
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
			h := Histogram{Count: n, Sum: time.Duration(x.sum.Load())}
			for i := range h.Buckets {
				h.Buckets[i] = x.buckets[i].Load()
			}
			out.Latency[op] = h
		}
	}
	m.mu.Lock()
	out.Errors, out.LastError = maps.Clone(m.errors), m.lastError
	m.mu.Unlock()
	last := s.last.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Connections, out.Waiting, out.Memory = len(s.conns), len(s.lobby.waiting), int(s.memory)
	for c := range s.conns {
		if at, ok := c.subscribed(); ok {
			out.Subscriptions++
			out.Lag = max(out.Lag, last-min(at, last))
		}
	}
	return out
}
