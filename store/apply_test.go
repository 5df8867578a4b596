// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// A four backend has only the four methods of a Backend. If fail is set, the next write fails after it was done.
type four struct {
	backend.Backend
	fail atomic.Pointer[error]
}

func (b *four) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	f, err := b.Backend.WriteFact(ctx, f)
	if failure := b.fail.Swap(nil); failure != nil {
		return backend.Fact{}, *failure
	}
	return f, err
}

// A backend of four methods works as every other: several engines write it at once; a write that fails after it was
// done shows; and writes of others show after Sync.
func TestBackendsOfFourMethods(t *testing.T) {
	l := newLog(t)
	b := &four{Backend: l}
	e, second := openEngine(t, b), openEngine(t, b)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 100 {
				if _, err := []*store.Engine{e, second}[w%2].Write(t.Context(), fact(fmt.Sprint(w), n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, e.Sync(t.Context()))
	require.Equal(t, uint64(400), e.Head())
	lost := errors.New("the answer was lost")
	b.fail.Store(&lost)
	_, err := e.Write(t.Context(), fact("k", 1))
	require.ErrorIs(t, err, lost)
	_, err = e.Write(t.Context(), fact("k", 2))
	require.NoError(t, err)
	_, err = l.WriteFact(t.Context(), withID(fact("theirs", 3), "theirs"))
	require.NoError(t, err)
	for _, e := range []*store.Engine{e, second} {
		require.NoError(t, e.Sync(t.Context()))
		require.Equal(t, logged(t, l), factsOf(e.Facts(t.Context(), "s", 0)), "what the failed write left in the log is there, in order")
	}
	_, err = e.WriteIf(t.Context(), "", fact("z", 1))
	require.ErrorIs(t, err, errors.ErrUnsupported, "it has no batches")
	_, err = e.Compact(t.Context())
	require.NoError(t, err, "there is nothing to do")
	require.NoError(t, e.Retain("s", store.Retention{Versions: 1}))
	_, err = e.Compact(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// Writes of an engine that is closed are refused, over any backend.
func TestWritesAfterClose(t *testing.T) {
	for _, b := range []backend.Backend{newLog(t), &four{Backend: newLog(t)}} {
		e := openEngine(t, b)
		require.NoError(t, e.Close())
		for range 3 {
			_, err := e.Write(t.Context(), fact("k", 1))
			require.ErrorIs(t, err, backend.ErrClosed)
		}
	}
}

// logged returns the facts of a log.
func logged(t *testing.T, l backend.Backend) (facts []backend.Fact) {
	for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		facts = append(facts, f)
	}
	return facts
}

// After an outage of the log, following goes on where it was; a permanent error ends it.
func TestFollowingResumes(t *testing.T) {
	l := newLog(t)
	var follows atomic.Int64
	var permanent atomic.Pointer[error]
	flaky := followed{l, func(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
		follows.Add(1)
		n := 0
		return eachPage(small(l.Follow(ctx, r)), func(*backend.Page) error {
			if err := permanent.Load(); err != nil {
				return *err
			}
			if n++; n > 3 {
				return fmt.Errorf("flaky: %w", backend.ErrUnavailable)
			}
			return nil
		})
	}}
	e := openEngine(t, flaky)
	other := openEngine(t, l)
	for n := range 10 {
		written, err := other.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
		require.NoError(t, e.WaitFor(t.Context(), written.Seq))
	}
	require.Equal(t, factsOf(other.Facts(t.Context(), "s", 0)), factsOf(e.Facts(t.Context(), "s", 0)))
	require.Greater(t, follows.Load(), int64(3))

	broken := error(&backend.CorruptError{Reason: "test"})
	permanent.Store(&broken)
	_, err := other.Write(t.Context(), fact("k", 11))
	require.NoError(t, err)
	require.ErrorIs(t, e.WaitFor(t.Context(), other.Head()+1), backend.ErrCorrupt)
	_, err = e.Write(t.Context(), fact("k", 1))
	require.ErrorIs(t, err, backend.ErrCorrupt, "an engine that does not see the log does not write it")
}

// gappy returns a log that leaves gaps between seqs, as the contract allows.
func gappy(l backend.Log) backend.Log {
	widen := func(facts []backend.Fact) {
		for i := range facts {
			facts[i].Seq *= 10
		}
	}
	return backend.Intercept(l, backend.Hooks{
		Write: func(ctx context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			all := next(ctx, batches...)
			for i := range all {
				widen(all[i].Facts)
				all[i].First *= 10
			}
			return all
		},
		Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			r.After.Seq, r.Through = r.After.Seq/10, r.Through/10
			return eachPage(next(ctx, r), func(p *backend.Page) error {
				widen(p.Facts)
				p.Through.Seq *= 10
				return nil
			})
		},
		Stats: func(ctx context.Context, next func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
			s, err := next(ctx)
			s.FirstSeq, s.LastSeq = s.FirstSeq*10, s.LastSeq*10
			return s, err
		},
	})
}

func TestSeqsWithGaps(t *testing.T) {
	g := gappy(newLog(t))
	e := openEngine(t, g)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 100 {
				f, err := e.Write(t.Context(), fact(fmt.Sprint(w), n))
				if err != nil {
					t.Error(err)
					return
				}
				if r := e.Latest("s", fmt.Sprint(w)); r.ID() != f.ID {
					t.Errorf("wrote %s, read %s", f.ID, r.ID())
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, uint64(8000), e.Head())
	require.Equal(t, factsOf(openEngine(t, g).Facts(t.Context(), "s", 0)), factsOf(e.Facts(t.Context(), "s", 0)))
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() { waiting <- e.WaitFor(ctx, 8005) }()
	_, err := e.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{fact("k", 1), fact("l", 1)}})
	require.NoError(t, err)
	require.Equal(t, uint64(8020), e.Head())
	require.NoError(t, <-waiting, "a seq in a gap is there once a later fact is")
	cancel()
}

// stalled returns a log that gives followers nothing until release is closed.
func stalled(l backend.Log, release chan struct{}) backend.Log {
	return followed{l, func(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
		return func(yield func(backend.Page, error) bool) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			l.Follow(ctx, r)(yield)
		}
	}}
}

func TestOpeningNothing(t *testing.T) {
	_, err := store.Open(t.Context(), nil, store.Options{})
	require.ErrorIs(t, err, backend.ErrInvalid)
}

// A Sync that is cancelled halfway leaves no gap, even if the log ignores the context.
func TestCatchingUpThatIsGivenUp(t *testing.T) {
	for range 20 {
		l := newLog(t)
		midst := func() {}
		hasty := backend.Intercept(stalled(l, make(chan struct{})), backend.Hooks{
			Features: func(f backend.Features) backend.Features { f.Poll = time.Hour; return f },
		})
		log := followed{reads(hasty, func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			n := 0
			return eachPage(small(next(context.WithoutCancel(ctx), r)), func(*backend.Page) error {
				if n++; n == 1000 {
					midst()
				}
				return nil
			})
		}), hasty.Follow}
		e := openEngine(t, log)
		var want []backend.Fact
		for n := range 3000 {
			f, err := l.WriteFact(t.Context(), withID(fact("k", n), fmt.Sprint(n)))
			require.NoError(t, err)
			want = append(want, f)
		}
		ctx, cancel := context.WithCancel(t.Context())
		midst = cancel
		_ = e.Sync(ctx)
		held := factsOf(e.Facts(t.Context(), "s", 0))
		require.Equal(t, want[:len(held)], held)
	}
}

// After a writer gave up waiting, it may overwrite the memory of its fact.
func TestWritersGivenUpOwnTheirMemory(t *testing.T) {
	l, release := newLog(t), make(chan struct{})
	e := openEngine(t, stalled(l, release))
	theirs := fact("theirs", 1)
	theirs.ID = "theirs"
	_, err := l.WriteFact(t.Context(), theirs)
	require.NoError(t, err)
	body := []byte(`{"seq":1,"id":"mine","store":"s","key":"mykey","value":[1]}`)
	mine, err := wire.ParseFact(body)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() {
		_, err := e.Import(ctx, mine)
		given <- err
	}()
	for stats, err := l.Stats(t.Context()); stats.LastSeq < 2; stats, err = l.Stats(t.Context()) {
		require.NoError(t, err)
		runtime.Gosched()
	}
	cancel()
	require.ErrorIs(t, <-given, context.Canceled)
	for i := range body {
		body[i] = 'X'
	}
	close(release)
	require.NoError(t, e.WaitFor(t.Context(), 2))
	require.Equal(t, []string{"s"}, e.Stores())
	r, ok := e.Get("s", "mykey")
	require.True(t, ok)
	require.Equal(t, "mine", r.ID())
}

// A writer that waits for facts before its own gives up when its context ends.
func TestWaitingToBeShownHeedsTheContext(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, stalled(l, make(chan struct{})))
	_, err := l.WriteFact(t.Context(), withID(fact("k", 1), "theirs"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() {
		_, err := e.Write(ctx, fact("k", 2))
		given <- err
	}()
	for stats, err := l.Stats(t.Context()); stats.LastSeq < 2; stats, err = l.Stats(t.Context()) {
		require.NoError(t, err)
		runtime.Gosched()
	}
	cancel()
	require.ErrorIs(t, <-given, context.Canceled)
	require.ErrorIs(t, e.WaitFor(ctx, 1), context.Canceled)
	require.Equal(t, uint64(0), e.Head())
}

// An invalid fact, which only a broken backend yields, ends the engine, and nothing of its batch shows.
func TestInvalidFacts(t *testing.T) {
	for name, change := range map[string]func(*backend.Fact){
		"id":        func(f *backend.Fact) { f.ID = strings.Repeat("x", 257) },
		"store":     func(f *backend.Fact) { f.Store = strings.Repeat("x", 257) },
		"key":       func(f *backend.Fact) { f.Key = strings.Repeat("x", 1025) },
		"hash":      func(f *backend.Fact) { f.ValueHash = strings.Repeat("x", 300) },
		"causation": func(f *backend.Fact) { f.Causation = strings.Repeat("x", 129) },
		"value":     func(f *backend.Fact) { f.Value = nil },
	} {
		// What follows the log must not show the facts first, as the log has them.
		silent := followed{newLog(t), func(ctx context.Context, _ backend.Range) iter.Seq2[backend.Page, error] {
			return func(yield func(backend.Page, error) bool) {
				if yield(backend.Page{}, nil) {
					<-ctx.Done()
					yield(backend.Page{}, ctx.Err())
				}
			}
		}}
		e := openEngine(t, writes(silent, func(ctx context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			all := next(ctx, batches...)
			change(&all[0].Facts[1])
			return all
		}))
		_, err := e.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{fact("k", 1), fact("l", 1)}})
		require.ErrorIs(t, err, backend.ErrCorrupt, name)
		require.ErrorIs(t, e.Err(), backend.ErrCorrupt, name)
		require.Empty(t, e.Stores())
		_, ok := e.Get("s", "k")
		require.False(t, ok)
		require.Zero(t, e.Head())
	}
}
