package network

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A mirror knows of a log of version 1 what a server of that version does not say: the place of each fact,
// its key's latest one, and which IDs there are. It reads the log, and is fed by a subscription then.
// Writers write one at a time, and see their facts come back.
type mirror struct {
	client *Client
	turn   chan struct{} // holds something while somebody writes
	loose  bool          // a caller gave a write up, which may be on its way; who has the turn minds it

	mu      sync.Mutex
	seq     *sequencer.Sequencer
	lookups context.Context // of the writer, for reading the log
	fed     *session        // the subscription, joined with what was replayed; nil: there is none at present
	awaited string          // the ID of the fact that a writer waits for
	arrived backend.Fact    // that fact, once it is there
	changed chan struct{}   // closed when one of these changes
	err     error           // why there is no subscription any more, for good
}

// mirrorV1 returns the mirror, and begins it if need be.
func (c *Client) mirrorV1() (*mirror, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, backend.ErrClosed
	}
	if c.mirror == nil {
		m := &mirror{client: c, turn: make(chan struct{}, 1), changed: make(chan struct{})}
		m.seq = sequencer.New(m.Fact)
		c.mirror = m
		c.tasks.Go(m.run)
	}
	return c.mirror, nil
}

// run keeps the mirror fed until the client is closed.
func (m *mirror) run() {
	c := m.client
	err := c.session(c.life, func(s *session) (bool, error) {
		before := m.next()
		joined := func(last uint64) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.fed = s
			m.wake()
		}
		err := c.feedV1(c.life, s, before-1, joined, m.take)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.fed = nil
		m.wake()
		return m.seq.Next() > before, err
	})
	if c.life.Err() == nil {
		c.log.Error("the server's log can't be read any more, so that nothing can be written", zap.String("server", c.name()), zap.Error(err))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	if c.life.Err() != nil {
		m.err = backend.ErrClosed
	}
	m.wake()
}

func (m *mirror) next() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seq.Next()
}

// wake tells those who wait that something has changed. The caller holds mu.
func (m *mirror) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// take takes in the next fact of the log.
func (m *mirror) take(f backend.Fact) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq.Load(&f)
	if f.ID == m.awaited {
		m.arrived = f.Clone()
		m.wake()
	}
	return nil
}

// Fact returns the fact at seq, for the sequencer. The caller holds mu.
func (m *mirror) Fact(seq uint64) (backend.Fact, bool, error) {
	facts, err := m.client.allV1(m.lookups)
	if err != nil || seq > uint64(len(facts)) {
		return backend.Fact{}, false, err
	}
	return facts[seq-1].Clone(), true, nil
}

// await waits until ok, which is called with mu held.
func (m *mirror) await(ctx context.Context, within time.Duration, ok func() bool) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		m.mu.Lock()
		done, err, changed := ok(), m.err, m.changed
		m.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return errLate
		}
	}
}

var errLate = errors.New("nothing came in time")

const forever = 1<<63 - 1

// last returns the seq of the last fact of the log.
func (m *mirror) last(ctx context.Context) (last uint64, err error) {
	err = m.await(ctx, forever, func() bool {
		last = m.seq.Next() - 1
		return m.fed != nil
	})
	return last, err
}

// renew makes the subscription anew, and with it reads the log again: something may be missing.
func (m *mirror) renew() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fed != nil {
		_ = m.fed.Close()
		m.fed = nil
	}
}

// write writes a fact and waits until it comes back. A write without an answer is looked for in the log
// before it is tried again.
func (m *mirror) write(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return f, err
	}
	for {
		if m.loose {
			if err := m.settle(ctx); err != nil {
				return f, err
			}
		}
		if err := m.await(ctx, forever, func() bool { return m.fed != nil }); err != nil {
			return f, err
		}
		next, isNew, err := m.assign(ctx, f)
		if err != nil || !isNew {
			return next, err
		}
		err = m.send(ctx, func(dst []byte) []byte { return protocol.AppendWriteFactV1(dst, &next) })
		if isPassing(err) {
			m.renew()
			continue
		}
		if err == nil {
			next, err = m.comeBack(ctx)
		}
		m.loose = err != nil && ctx.Err() != nil
		return next, err
	}
}

// settle waits until the server has handled what was sent before, and reads the log again.
func (m *mirror) settle(ctx context.Context) error {
	err := m.send(ctx, func(dst []byte) []byte { return protocol.AppendRequest(dst, protocol.OpPing) })
	if err != nil && !isPassing(err) {
		return err
	}
	m.renew()
	m.loose = false
	return nil
}

// assign fills in what the log does not: causation and time. isNew is false for a fact that the log holds,
// and then that is returned.
func (m *mirror) assign(ctx context.Context, f backend.Fact) (_ backend.Fact, isNew bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lookups = ctx
	facts := []backend.Fact{f}
	fresh, err := m.seq.Assign(facts, nil, wire.Time(time.Now()))
	if err != nil {
		return f, false, err
	}
	m.seq.Rollback() // its place is that in which it comes back
	m.awaited, m.arrived = f.ID, backend.Fact{}
	return facts[0], fresh > 0, nil
}

// send sends a request, once, behind those that were sent before.
func (m *mirror) send(ctx context.Context, append func(dst []byte) []byte) error {
	p, err := m.client.connected(ctx)
	if err != nil {
		return err
	}
	cl := calls.Get().(*call)
	cl.frame = wire.CloseFrame(append(wire.OpenFrame(cl.frame[:0])), 0)
	body, err := m.client.once(ctx, p, cl)
	if err != nil {
		return err
	}
	defer cl.release()
	return protocol.ParseAnswer(body, nil)
}

// comeBack waits until the log shows the fact that was written, and returns it as the log holds it.
func (m *mirror) comeBack(ctx context.Context) (f backend.Fact, err error) {
	for {
		err := m.await(ctx, m.client.opts.Heartbeat, func() bool {
			f = m.arrived
			return f.Seq > 0
		})
		if err != errLate {
			return f.Clone(), err
		}
		m.renew() // the server may have left it out of the subscription
	}
}

// wanted reports whether a store is among those asked for; none: all are.
func wanted(stores []string, name string) bool {
	return len(stores) == 0 || slices.Contains(stores, name)
}
