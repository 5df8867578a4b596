// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// An endingContext ends when Err or Done is called for the n-th time.
type endingContext struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *endingContext) look() {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
}

func (c *endingContext) Err() error {
	c.look()
	return c.Context.Err()
}

func (c *endingContext) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

// context returns a context, and whether it ends at some step.
func (m *model) context() (ctx context.Context, ends bool) {
	n := rapid.IntRange(-6, 12).Draw(m.t, "the context ends at look")
	if n <= 0 {
		return context.Background(), false
	}
	c := new(endingContext)
	c.Context, c.cancel = context.WithCancel(context.Background())
	c.left.Store(int64(n))
	return c, true
}

// wrote calls write with a context that may end. If it ended, it calls write again, which must not write a fact twice. The
// oracle takes the written facts.
func (m *model) wrote(s *side, write func(context.Context) ([]backend.Fact, error)) error {
	ctx, ends := m.context()
	facts, err := write(ctx)
	if ends && errors.Is(err, context.Canceled) {
		facts, err = write(context.Background())
	}
	if err != nil {
		return err
	}
	last := uint64(0)
	if len(m.o) > 0 {
		last = m.o[len(m.o)-1].Seq
	}
	m.equal(facts, m.log.after(last), "the facts that the writer got, and the facts in the log")
	m.took(facts...)
	s.wrote(facts)
	return nil
}

func (m *model) write(s *side) {
	f := m.draw()
	if rapid.IntRange(0, 9).Draw(m.t, "imported") == 0 {
		f.TransactionTime = m.drawTime("transaction time")
		f.TransactionTime = earlier(f.TransactionTime, m.clock.now())
	}
	err := m.wrote(s, func(ctx context.Context) ([]backend.Fact, error) {
		f, err := s.Import(ctx, f) // the value as it is, not in canonical form
		return []backend.Fact{f}, err
	})
	if f.TransactionTime.Sub(s.now()) > time.Minute {
		var invalid *backend.InvalidError
		require.ErrorAs(m.t, err, &invalid)
		require.Equal(m.t, "transaction_time", invalid.Field)
		return
	}
	require.NoError(m.t, err)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (m *model) retract(s *side) {
	f := m.draw()
	err := m.wrote(s, func(ctx context.Context) ([]backend.Fact, error) {
		f, err := s.Retract(ctx, f)
		return []backend.Fact{f}, err
	})
	require.NoError(m.t, err)
}

func (m *model) batch(s *side) {
	b := backend.Batch{Facts: []backend.Fact{m.draw(), m.draw()}}
	b.Facts[1].Store = "people"
	key, want := b.Facts[0].Key, ""
	if f := m.o.At("docs", key, store.Moment{}); f != nil {
		want = f.ID
	}
	expect := rapid.SampledFrom([]string{want, "", "f1"}).Draw(m.t, "expect")
	b.Expect = []backend.Expect{{Store: "docs", Key: key, ID: expect}}
	async := rapid.Bool().Draw(m.t, "async")
	err := m.wrote(s, func(ctx context.Context) ([]backend.Fact, error) {
		if !async {
			return s.WriteBatch(ctx, b)
		}
		p, err := s.WriteAsync(ctx, b)
		if err != nil {
			return nil, err
		}
		w := p.Wait(context.Background())
		return w.Facts, w.Err
	})
	if expect != want {
		require.ErrorIs(m.t, err, backend.ErrConflict)
		return
	}
	require.NoError(m.t, err)
}

func (m *model) update(s *side) {
	f := m.draw()
	latest := m.o.At("docs", f.Key, store.Moment{})
	var seen store.Record
	err := m.wrote(s, func(ctx context.Context) ([]backend.Fact, error) {
		f, err := s.Update(ctx, f.Store, f.Key, func(old store.Record) (backend.Fact, error) {
			if old.ID() != f.ID { // otherwise the first try has written it
				seen = old
			}
			return f, nil
		})
		return []backend.Fact{f}, err
	})
	require.NoError(m.t, err)
	if latest == nil {
		latest = new(backend.Fact)
	}
	require.Equal(m.t, *latest, seen.Fact())
}

// A shownTime is the time of a side's clock when it showed facts, and the latest time of all facts that it had shown by
// then.
type shownTime struct{ clock, fact time.Time }

// wrote notes that s shows facts now, if it may read them.
func (s *side) wrote(facts []backend.Fact) {
	w := shownTime{clock: s.now()}
	for len(s.shown) > 0 && s.shown[len(s.shown)-1].clock.After(w.clock) { // the clock was set back
		w.fact = later(w.fact, s.shown[len(s.shown)-1].fact)
		s.shown = s.shown[:len(s.shown)-1]
	}
	if len(s.shown) > 0 {
		w.fact = later(w.fact, s.shown[len(s.shown)-1].fact)
	}
	for _, f := range facts {
		if s.reads(f.Store) {
			w.fact = later(w.fact, f.TransactionTime)
		}
	}
	s.shown = append(s.shown, w)
}

// synced notes that s shows all facts now. When s began to show the facts since the last call is not known.
func (s *side) synced() {
	s.perhaps = append(s.perhaps, shownTime{s.least, s.m.o.latest()})
	s.least = s.now()
	s.wrote(s.m.o)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// seen returns the transaction time of which s answers a read as of t: if s showed a fact by t, the read sees it, even if
// the fact's time is later. ok is false if that time is not known.
func (s *side) seen(t time.Time) (seen time.Time, ok bool) {
	at := func(all []shownTime) time.Time {
		seen := t
		for _, w := range all {
			if !t.IsZero() && !w.clock.After(t) {
				seen = later(seen, w.fact)
			}
		}
		return seen
	}
	seen = at(s.shown)
	most := later(at(s.perhaps), at([]shownTime{{s.least, s.m.o.latest()}}))
	return seen, !most.After(seen)
}

// latest returns the latest transaction time.
func (o Oracle) latest() (t time.Time) {
	for _, f := range o {
		t = later(t, f.TransactionTime)
	}
	return t
}

// newest returns the latest transaction time of a store.
func (o Oracle) newest(name string) (t time.Time) {
	for _, f := range o {
		if f.Store == name {
			t = later(t, f.TransactionTime)
		}
	}
	return t
}

// ordered reports whether the transaction times of docs are in the order of the log.
func (m *model) ordered() bool {
	last := time.Time{}
	for _, f := range m.all {
		if f.Store == "docs" && f.TransactionTime.Before(last) {
			return false
		}
		last = later(last, f.TransactionTime)
	}
	return true
}
