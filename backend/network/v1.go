// SPDX-License-Identifier: Apache-2.0

package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// This file is for servers of version 1, such as the servers of the Ruby system. Such a server does not tell the seq of a
// fact, does not recognise facts by their IDs, and fills in no fields.

// helloV1 stands in for the hello reply, which such a server does not send.
var helloV1 = protocol.HelloReply{Protocol: 1, MaxFrame: wire.DefaultMaxFrame, Features: protocol.Features{AllIDs: true, MaxFrame: wire.DefaultMaxFrame}}

// A logV1 keeps the information that a server of version 1 does not provide about its log: each key's latest fact, and the
// seqs of IDs. When it is first needed, it reads the log and then subscribes to it. Writers write one at a time, and wait
// until the subscription shows their fact.
type logV1 struct {
	*backend.Defaults // Write of batches of one fact; no Prune

	client *client
	start  sync.Once

	turn      ctxsync.Mutex // held by the writer
	abandoned bool          // guarded by turn: a caller gave up a write that the server may still handle

	changed ctxsync.Signal // a field that mu guards has changed

	mu      sync.Mutex
	seq     *sequencer.Sequencer
	lookups context.Context // of the writer, to read the log with
	feed    *session        // the subscription, once the earlier log was read; nil: none now
	awaited string          // the ID of the fact that the writer waits for
	arrived backend.Fact    // that fact, once it has come
	err     error           // why there will be no further subscription
}

func newLogV1(c *client) *logV1 {
	l := &logV1{Defaults: backend.DefaultsOf(c, 0), client: c, turn: ctxsync.NewMutex()}
	l.seq = sequencer.New(l.fact)
	return l
}

// set changes fields that mu guards.
func (l *logV1) set(change func()) {
	l.mu.Lock()
	change()
	l.mu.Unlock()
	l.changed.Notify()
}

// run keeps the mirror up to date until the client is closed.
func (l *logV1) run() {
	c := l.client
	err := c.session(c.life, func(s *session) (progress bool, err error) {
		defer l.set(func() { l.feed = nil })
		err = c.feedV1(c.life, s, func(facts []backend.Fact) error {
			l.set(func() {
				before, last := l.seq.Next()-1, uint64(len(facts))
				if before > last {
					err = permanent{&backend.DivergedError{Cursor: backend.Cursor{Seq: before}, Common: last}}
					return
				}
				for i := before; i < last; i++ {
					l.load(&facts[i])
				}
				l.feed, progress = s, last > before
			})
			return err
		}, func(f *backend.Fact) error {
			l.set(func() { l.load(f) })
			progress = true
			return nil
		})
		return progress, err
	})
	if c.life.Err() != nil {
		err = backend.ErrClosed
	} else {
		c.log.Error("the server's log can't be read any more, so that nothing can be written", zap.String("server", c.name()), zap.Error(err))
	}
	l.set(func() { l.err = err })
}

// load adds the next fact of the log. The caller holds mu.
func (l *logV1) load(f *backend.Fact) {
	l.seq.Load(f)
	if f.ID == l.awaited {
		l.arrived = f.Clone()
	}
}

// fact returns the fact at seq, if there is one. The caller holds mu.
func (l *logV1) fact(seq uint64) (backend.Fact, bool, error) {
	facts, err := l.client.allV1(l.lookups)
	if err != nil || seq > uint64(len(facts)) {
		return backend.Fact{}, false, err
	}
	return facts[seq-1].Clone(), true, nil
}

// await waits until done returns true. It calls done with mu held. It starts run if necessary.
func (l *logV1) await(ctx context.Context, done func() bool) error {
	l.start.Do(func() {
		if !l.client.background(l.run) {
			l.set(func() { l.err = backend.ErrClosed })
		}
	})
	for {
		changed := l.changed.Changed()
		l.mu.Lock()
		ok, err := done(), l.err
		l.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reload subscribes again. The facts since the old subscription are read before feed is set again.
func (l *logV1) reload() {
	l.set(func() {
		if l.feed != nil {
			_ = l.feed.Close()
			l.feed = nil
		}
	})
}

// write writes a valid, normalized fact, and waits until the subscription shows it. If there is no answer, it looks for the
// fact in the log before it tries again.
func (l *logV1) write(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	if f.By != "" {
		return f, fmt.Errorf("%w: a server of version 1 does not keep who was let in to write a fact: leave By empty", errors.ErrUnsupported)
	}
	if err := l.turn.Lock(ctx); err != nil {
		return f, err
	}
	defer l.turn.Unlock()
	for {
		if err := l.settle(ctx); err != nil {
			return f, err
		}
		next, isNew, err := l.assign(ctx, f)
		if err != nil || !isNew {
			return next, err
		}
		err = l.send(ctx, func(dst []byte) []byte { return protocol.AppendWriteFactV1(dst, &next) })
		if isLost(err) {
			l.reload()
			continue
		}
		if err == nil {
			next, err = l.comeBack(ctx)
		}
		l.abandoned = err != nil && ctx.Err() != nil
		return next, err
	}
}

// settle waits until all earlier writes were read back. After an abandoned write, an answer to a ping shows that the server
// has handled the write.
func (l *logV1) settle(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.abandoned {
		err := l.send(ctx, func(dst []byte) []byte { return protocol.AppendRequest(dst, protocol.OpPing) })
		if err != nil && !isLost(err) {
			return err
		}
		l.reload()
		l.abandoned = false
	}
	return l.await(ctx, func() bool { return l.feed != nil })
}

// assign fills in causation and time, since the server does not. If the log already has the fact, it returns the held fact,
// and isNew is false.
func (l *logV1) assign(ctx context.Context, f backend.Fact) (_ backend.Fact, isNew bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookups = ctx
	facts := []backend.Fact{f}
	fresh, err := l.seq.Assign(facts, nil, time.Now())
	if err != nil {
		return f, false, err
	}
	l.seq.Rollback() // the subscription determines the fact's seq
	l.awaited, l.arrived = f.ID, backend.Fact{}
	return facts[0], fresh > 0, nil
}

// send sends a request once.
func (l *logV1) send(ctx context.Context, appendBody func(dst []byte) []byte) error {
	cl := l.client.newCall()
	cl.frame = wire.CloseFrame(appendBody(wire.OpenFrame(cl.frame[:0])), 0)
	body, err := l.client.try(ctx, cl)
	if err != nil {
		return err
	}
	defer l.client.freeCall(cl)
	return protocol.ParseAnswer(body, nil)
}

// comeBack waits until the log shows the written fact, and returns the fact as the log holds it. Since the server may have
// left it out of the subscription, comeBack reads the log again from time to time.
func (l *logV1) comeBack(ctx context.Context) (f backend.Fact, err error) {
	for {
		patience, cancel := context.WithTimeout(ctx, l.client.opts.Heartbeat)
		err := l.await(patience, func() bool {
			f = l.arrived
			return f.Seq > 0
		})
		late := patience.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !late {
			return f.Clone(), err
		}
		l.reload()
	}
}

// stats returns the known Stats of the log.
func (l *logV1) stats(ctx context.Context) (backend.Stats, error) {
	var last uint64
	err := l.await(ctx, func() bool {
		last = l.seq.Next() - 1
		return l.feed != nil
	})
	return backend.Stats{FirstSeq: min(last, 1), LastSeq: last, Facts: last}, err
}

// writeSnapshot sends all facts of the log to the server for the snapshot, as the Ruby client does.
func (l *logV1) writeSnapshot(ctx context.Context) error {
	return l.client.session(ctx, func(s *session) (bool, error) {
		facts, err := s.replayV1()
		if err != nil {
			return false, err
		}
		body := protocol.AppendWriteSnapshotV1(nil, facts)
		if len(body) > s.hello.MaxFrame {
			return false, permanent{fmt.Errorf("%w: the log is larger than a frame of version 1", backend.ErrTooLarge)}
		}
		answer, err := s.roundTrip(func(dst []byte) []byte { return append(dst, body...) })
		if err == nil {
			err = protocol.ParseAnswer(answer, nil)
		}
		return false, err
	})
}

// replayV1 returns all facts of the server's log, each with its position in the log as Seq.
func (s *session) replayV1() ([]backend.Fact, error) {
	body, err := s.roundTrip(func(dst []byte) []byte { return protocol.AppendRequest(dst, protocol.OpReplay) })
	if err != nil {
		return nil, err
	}
	facts, err := protocol.ParseFactsV1(body)
	if err != nil {
		return nil, verdict(err)
	}
	for i := range facts {
		facts[i].Seq = uint64(i) + 1
	}
	return facts, nil
}

// allV1 returns all facts of the server's log.
func (c *client) allV1(ctx context.Context) (facts []backend.Fact, err error) {
	err = c.session(ctx, func(s *session) (bool, error) {
		facts, err = s.replayV1()
		return false, err
	})
	return facts, err
}

// feedV1 calls replayed with all facts of the server's log, and then live with each new fact, until the connection is lost.
// It subscribes before it replays, and drops events of replayed facts.
func (c *client) feedV1(ctx context.Context, s *session, replayed func([]backend.Fact) error, live func(*backend.Fact) error) error {
	body, err := s.roundTrip(protocol.AppendSubscribeV1)
	if err != nil {
		return err
	}
	if err := protocol.ParseAnswer(body, nil); err != nil {
		return verdict(err)
	}
	facts, err := c.allV1(ctx)
	if err != nil {
		return permanent{err} // it has already retried
	}
	ids := make(map[[2]string]struct{}, len(facts))
	for i := range facts {
		ids[[2]string{facts[i].Store, facts[i].ID}] = struct{}{}
	}
	if err := replayed(facts); err != nil {
		return err
	}
	last := uint64(len(facts))
	for {
		body, err := s.in.Next()
		if err != nil {
			return err
		}
		f, ok, err := protocol.ParseEventV1(body)
		if err != nil {
			return verdict(err)
		}
		if _, had := ids[[2]string{f.Store, f.ID}]; had || !ok {
			continue
		}
		ids = nil // events come in the order of the log, so later events are of new facts
		last++
		f.Seq = last
		if err := live(&f); err != nil {
			return err
		}
	}
}

// readV1 is read for a server of version 1. Each fact counts as a batch.
func (x *reader) readV1(s *session) (progress bool, err error) {
	start := x.r.After.Seq
	replayed := func(facts []backend.Fact) error {
		end := uint64(len(facts))
		if start > end {
			return permanent{&backend.DivergedError{Cursor: x.r.After, Common: end}}
		}
		if x.r.Through != 0 {
			end = max(start, min(end, x.r.Through))
		}
		for i := start; i < end; i++ {
			if err := x.addV1(&facts[i]); err != nil {
				return err
			}
		}
		x.due = !x.begun
		return x.flush()
	}
	if x.follows {
		err = x.client.feedV1(x.ctx, s, replayed, func(f *backend.Fact) error {
			if err := x.addV1(f); err != nil {
				return err
			}
			return x.flush()
		})
	} else {
		var facts []backend.Fact
		if facts, err = s.replayV1(); err == nil {
			err = cmp.Or[error](replayed(facts), permanent{errEnded})
		}
	}
	return x.r.After.Seq > start, x.lost(err)
}

// addV1 adds a fact to the page, as a frame, and yields the page once it is large enough.
func (x *reader) addV1(f *backend.Fact) error {
	if x.r.Has(f.Store) {
		start := len(x.page.Bytes)
		x.page.Bytes = wire.CloseFrame(wire.AppendFact(wire.OpenFrame(x.page.Bytes), f), start)
		x.page.Facts++
	}
	x.page.Through.Seq = f.Seq
	if len(x.page.Bytes) >= backend.PageSize {
		return x.flush()
	}
	return nil
}
