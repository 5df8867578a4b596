package server

import (
	"maps"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/internal/protocol"
)

// buckets is how many a latency histogram has: they end at 1 µs, 2 µs, 4 µs and so on, up to some
// 34 s, and the last one has what took longer.
const buckets = 27

// Metrics is what a server has counted since it was made. Maps have an op as their key; what clients
// ask for that is none is counted as "unknown".
type Metrics struct {
	Requests map[string]uint64    // answered, or being streamed
	Slow     map[string]uint64    // took longer than Options.SlowOp
	Latency  map[string]Histogram // from when a request was read until its answer was ready; of streams, until the first answer
	Errors   map[string]uint64    // by the error code of the answer; with those that Failed was told of

	FactsIn, FactsOut uint64 // facts that clients wrote, and facts that they were sent
	BytesIn, BytesOut uint64

	Connections      int    // open ones
	Accepted, Closed uint64 // connections, ever
	Rejected         uint64 // for want of room
	CutOff           uint64 // since the client sent or took too slowly
	Subscriptions    int    // open ones
	Lag              uint64 // how many seqs the subscription that is furthest behind has still to be sent
	LastError        string // the latest failure of the backend or of a connection; "": none yet
	StartedAt        time.Time
	Pushed           uint64 // facts sent to subscriptions alone
}

// A Histogram counts how long something took.
type Histogram struct {
	Buckets [buckets]uint64 // the i-th counts what took at most 2^i µs and more than the one before; the last one, all that took longer
	Count   uint64
	Sum     time.Duration
}

// Bound returns the upper bound of the i-th bucket; of the last one there is none.
func (Histogram) Bound(i int) time.Duration { return time.Microsecond << i }

// opMetrics is what is counted of one op.
type opMetrics struct {
	requests, slow, count atomic.Uint64
	sum                   atomic.Int64
	buckets               [buckets]atomic.Uint64
}

// took counts n requests that took as long.
func (m *opMetrics) took(d time.Duration, n int, slow bool) {
	i := bits.Len64(uint64(max(d-1, 0) / time.Microsecond))
	m.buckets[min(i, buckets-1)].Add(uint64(n))
	m.count.Add(uint64(n))
	m.sum.Add(int64(d) * int64(n))
	if slow {
		m.slow.Add(uint64(n))
	}
}

// metrics is where a server counts.
type metrics struct {
	ops map[string]*opMetrics // never changed

	factsIn, factsOut, bytesIn, bytesOut atomic.Uint64
	accepted, closed, rejected, cutOff   atomic.Uint64
	pushed                               atomic.Uint64

	mu        sync.Mutex
	errors    map[string]uint64
	lastError string
}

// unknownOp is how requests are counted that ask for nothing known.
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

// logFailures are what the server says of failures that are the log's, by their codes.
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

// Failed counts a request that failed, and says so to the operator where that is the log's doing: once a minute of each
// kind. The Server does so for its own clients; others that serve the same log, such as package web, call it.
func (s *Server) Failed(err error) {
	code := protocol.ErrorCode(err)
	s.metrics.failed(code, err)
	if what := logFailures[code]; what != "" {
		s.failures.Error(what, zap.Error(err))
	}
}

// Metrics returns what the server has counted, as it is now.
func (s *Server) Metrics() Metrics {
	m := s.metrics
	out := Metrics{
		Requests: map[string]uint64{}, Slow: map[string]uint64{}, Latency: map[string]Histogram{},
		FactsIn: m.factsIn.Load(), FactsOut: m.factsOut.Load(), BytesIn: m.bytesIn.Load(), BytesOut: m.bytesOut.Load(),
		Accepted: m.accepted.Load(), Closed: m.closed.Load(), Rejected: m.rejected.Load(), CutOff: m.cutOff.Load(),
		Pushed: m.pushed.Load(), StartedAt: s.started,
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
	out.Connections = len(s.conns)
	for c := range s.conns {
		if at, ok := c.subscribed(); ok {
			out.Subscriptions++
			out.Lag = max(out.Lag, last-min(at, last))
		}
	}
	return out
}
