package server

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// An op handles requests of one kind: it appends the answer, or returns why there is none.
type op struct {
	handle func(c *conn, r *protocol.Request) error
	open   bool // for clients too that have not said who they are
	since  int  // the version of the protocol that it came with
}

// ops are all there are but write_fact, which conn.handle sees to itself.
var ops map[string]op

func init() {
	ops = map[string]op{
		protocol.OpHello:         {(*conn).hello, true, 1},
		protocol.OpPing:          {(*conn).ping, true, 1},
		protocol.OpClose:         {(*conn).close, true, 1},
		protocol.OpWriteFact:     {nil, false, 1},
		protocol.OpReplay:        {(*conn).replay, false, 1},
		protocol.OpSubscribe:     {(*conn).subscribe, false, 1},
		protocol.OpWriteSnapshot: {(*conn).snapshot, false, 1},
		protocol.OpStats:         {(*conn).stats, false, 1},
		protocol.OpServerStatus:  {(*conn).status, false, 1},
		protocol.OpWriteBatch:    {(*conn).writeBatch, false, 2},
		protocol.OpPrune:         {(*conn).prune, false, 2},
	}
}

// featuresOf returns the ops that a backend need not support, and does, as far as its type tells.
func featuresOf(b backend.Backend) []string {
	features := []string{}
	if _, ok := b.(backend.BatchWriter); ok {
		features = append(features, protocol.OpWriteBatch)
	}
	if _, ok := b.(backend.Follower); ok {
		features = append(features, protocol.OpSubscribe)
	}
	if _, ok := b.(backend.Pruner); ok {
		features = append(features, protocol.OpPrune)
	}
	if _, ok := b.(backend.Stater); ok {
		features = append(features, protocol.OpStats)
	}
	return features
}

// handle answers requests in their order, facts that follow each other together.
func (c *conn) handle(requests []protocol.Request) {
	c.client.Refresh()
	for len(requests) > 0 && !c.ending {
		n := 1
		if requests[0].Op == protocol.OpWriteFact {
			for n < len(requests) && requests[n].Op == protocol.OpWriteFact {
				n++
			}
			c.timed(protocol.OpWriteFact, n, func() { c.writeFacts(requests[:n]) })
		} else {
			r := requests[0] // a copy: a subscription outlives the work that it came with
			c.timed(r.Op, 1, func() { c.one(&r) })
		}
		requests = requests[n:]
		if len(c.out) > maxKept && !c.flush() {
			c.ending = true
		}
	}
}

// A timing is of requests that are being handled.
type timing struct {
	op    string
	n     int // how many they are; 0: they are counted already
	start time.Time
}

// timed counts n requests that are handled together.
func (c *conn) timed(name string, n int, handle func()) {
	c.timing = timing{name, n, time.Now()}
	handle()
	c.answered()
}

// answered counts the requests that are being handled, once: a stream does with its first answer.
func (c *conn) answered() {
	t := c.timing
	if t.n == 0 {
		return
	}
	c.timing.n = 0
	m := c.server.metrics.of(t.op)
	m.requests.Add(uint64(t.n))
	took := time.Since(t.start)
	slow := took > c.server.opts.SlowOp
	m.took(took, t.n, slow)
	if slow {
		c.server.log.Warn("a request was slow", zap.String("op", t.op), zap.Duration("took", took), zap.Stringer("client", c.nc.RemoteAddr()))
	}
}

// one answers a request.
func (c *conn) one(r *protocol.Request) {
	o, known := ops[r.Op]
	var err error
	switch {
	case r.Err != nil:
		err = r.Err
	case c.client.Err != nil && !o.open:
		err = c.client.Err
	case !known || o.since > c.version:
		c.server.metrics.failed("unknown_op", nil)
		c.answer(func(dst []byte) []byte { return protocol.AppendUnknownOp(dst, r.Op, r.ID) })
		return
	default:
		err = o.handle(c, r)
	}
	if err != nil {
		if _, isRequest := errors.AsType[*protocol.RequestError](err); !isRequest && r.Op != protocol.OpWriteBatch {
			err = &protocol.RequestError{Err: err}
		}
		c.fail(err, r.ID)
	}
}

func (c *conn) ping(r *protocol.Request) error {
	c.answer(func(dst []byte) []byte {
		return protocol.CloseAnswer(append(protocol.OpenAnswer(dst), `,"pong":true`...), r.ID)
	})
	return nil
}

func (c *conn) close(r *protocol.Request) error {
	c.ending = true
	c.answer(func(dst []byte) []byte { return protocol.AppendOK(dst, r.ID) })
	return nil
}

// snapshot consolidates the log. The facts that a client of version 1 sends with the request are no
// concern of it: the log holds more.
func (c *conn) snapshot(r *protocol.Request) error {
	if err := c.client.Grant.MayAdmin(r.Op); err != nil {
		return err
	}
	through := uint64(0)
	if c.version > 1 {
		var err error
		if through, err = r.Through(); err != nil {
			return err
		}
	}
	if err := c.server.b.WriteSnapshot(c.server.ctx, through); err != nil {
		return err
	}
	if c.version == 1 {
		c.answer(func(dst []byte) []byte { return protocol.AppendOK(dst, r.ID) })
		return nil
	}
	var stats backend.Stats
	stats, err := backend.StatsOf(c.server.ctx, c.server.b)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if through == 0 {
		through = stats.LastSeq
	}
	c.answer(func(dst []byte) []byte {
		dst = protocol.AppendNumber(protocol.OpenAnswer(dst), "through", through)
		dst = protocol.AppendNumber(dst, "facts", stats.Facts)
		return protocol.CloseAnswer(protocol.AppendNumber(dst, "bytes", stats.Bytes), r.ID)
	})
	return nil
}

func (c *conn) prune(r *protocol.Request) error {
	if err := c.client.Grant.MayAdmin(r.Op); err != nil {
		return err
	}
	ranges, err := r.Seqs()
	if err != nil {
		return err
	}
	last, err := c.server.head(c.server.ctx)
	if err != nil {
		return err
	}
	beyond := uint64(0) // seqs that the log has not given yet: there may be very many
	for i, x := range ranges {
		if x[1] > last {
			beyond += x[1] - max(x[0], last+1) + 1
			ranges[i][1] = last
		}
	}
	report, err := backend.Prune(c.server.ctx, c.server.b, seqsIn(ranges))
	if err != nil {
		return err
	}
	c.answer(func(dst []byte) []byte {
		dst = protocol.AppendNumber(protocol.OpenAnswer(dst), "pruned", report.Pruned)
		return protocol.CloseAnswer(protocol.AppendNumber(dst, "missing", report.Missing+beyond), r.ID)
	})
	return nil
}

// seqsIn yields the seqs in ranges.
func seqsIn(ranges [][2]uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, x := range ranges {
			for seq := x[0]; seq <= x[1]; seq++ {
				if !yield(seq) {
					return
				}
			}
		}
	}
}

func (c *conn) stats(r *protocol.Request) error {
	var stats backend.Stats
	if c.version > 1 {
		var err error
		if stats, err = backend.StatsOf(c.server.ctx, c.server.b); err != nil {
			return err
		}
	}
	m := c.server.Metrics()
	c.answer(func(dst []byte) []byte {
		dst = protocol.AppendNumber(protocol.OpenAnswer(dst), "facts_written", m.FactsIn)
		dst = protocol.AppendNumber(dst, "connections_active", uint64(m.Connections))
		dst = protocol.AppendNumber(dst, "uptime_ms", uint64(time.Since(m.StartedAt).Milliseconds()))
		if c.version > 1 {
			dst = protocol.AppendStats(dst, &stats)
		}
		return protocol.CloseAnswer(dst, r.ID)
	})
	return nil
}

var errNoReplay = fmt.Errorf("%w: the log is larger than a frame of version 1: say hello and use version 2", backend.ErrTooLarge)
