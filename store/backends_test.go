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
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// A shy backend has its optional interfaces, or some, and answers errors.ErrUnsupported.
type shy struct {
	backend.Backend
	fail atomic.Pointer[error] // what the next write reports, after it was done
}

func (s *shy) Follow(context.Context, uint64, ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		yield(backend.Fact{}, fmt.Errorf("shy: follow: %w", errors.ErrUnsupported))
	}
}

func (s *shy) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	f, err := s.Backend.WriteFact(ctx, f)
	if failure := s.fail.Swap(nil); failure != nil {
		return backend.Fact{}, *failure
	}
	return f, err
}

func TestLogsThatCannotBeFollowed(t *testing.T) {
	s := &shy{Backend: newLog(t)}
	e := openEngine(t, s)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 100 {
				if _, err := e.Write(t.Context(), fact(fmt.Sprint(w), n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, uint64(400), e.Head())
	lost := errors.New("the answer was lost")
	s.fail.Store(&lost)
	_, err := e.Write(t.Context(), fact("k", 1))
	require.ErrorIs(t, err, lost)
	_, err = e.Write(t.Context(), fact("k", 2))
	require.NoError(t, err)
	var facts []backend.Fact
	for f, err := range s.Replay(t.Context(), 0) {
		require.NoError(t, err)
		facts = append(facts, f)
	}
	require.Equal(t, facts, factsOf(e.Facts("s", 0)), "what the failed write left in the log is there, in order")
	_, err = e.WriteIf(t.Context(), "", fact("z", 1))
	require.ErrorIs(t, err, errors.ErrUnsupported, "it has no batches")
}

// A write that can't begin leaves the log to the next one.
func TestWritesThatCannotBegin(t *testing.T) {
	e := openEngine(t, &shy{Backend: newLog(t)})
	require.NoError(t, e.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 {
		_, err := e.Write(ctx, fact("k", 1))
		require.ErrorIs(t, err, backend.ErrClosed)
	}
}

// A flaky backend can't be reached now and then when it is followed, and may end for good.
type flaky struct {
	*memory.Log
	follows atomic.Int64
	final   atomic.Pointer[error]
}

func (f *flaky) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		f.follows.Add(1)
		if final := f.final.Load(); final != nil {
			yield(backend.Fact{}, *final)
			return
		}
		n := 0
		for fact, err := range f.Log.Follow(ctx, after, stores...) {
			if !yield(fact, err) || err != nil {
				return
			}
			if n++; n == 3 {
				yield(backend.Fact{}, fmt.Errorf("flaky: %w", backend.ErrUnavailable))
				return
			}
		}
	}
}

func TestFollowingResumes(t *testing.T) {
	f := &flaky{Log: newLog(t)}
	e := openEngine(t, f)
	other := openEngine(t, f.Log)
	for n := range 10 {
		written, err := other.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
		require.NoError(t, e.WaitFor(t.Context(), written.Seq))
	}
	require.Equal(t, factsOf(other.Facts("s", 0)), factsOf(e.Facts("s", 0)))
	require.Greater(t, f.follows.Load(), int64(3))

	broken := error(&backend.CorruptError{Reason: "test"})
	f.final.Store(&broken)
	for n := range 3 { // the third makes it follow anew
		_, err := other.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
	}
	require.ErrorIs(t, e.WaitFor(t.Context(), other.Head()+1), backend.ErrCorrupt)
	_, err := e.Write(t.Context(), fact("k", 1))
	require.ErrorIs(t, err, backend.ErrCorrupt, "an engine that does not see the log does not write it")
}

// A gappy backend leaves gaps between seqs, as the contract allows.
type gappy struct{ *memory.Log }

func widen(f backend.Fact) backend.Fact {
	f.Seq *= 10
	return f
}

func (g *gappy) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	f, err := g.Log.WriteFact(ctx, f)
	return widen(f), err
}

func (g *gappy) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return widened(g.Log.Replay(ctx, after/10))
}

func (g *gappy) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	return widened(g.Log.Follow(ctx, after/10, stores...))
}

func widened(facts iter.Seq2[backend.Fact, error]) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range facts {
			if !yield(widen(f), err) {
				return
			}
		}
	}
}

func TestSeqsWithGaps(t *testing.T) {
	g := &gappy{newLog(t)}
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
	require.Equal(t, factsOf(openEngine(t, g).Facts("s", 0)), factsOf(e.Facts("s", 0)))
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() { waiting <- e.WaitFor(ctx, 8005) }()
	_, err := e.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	require.NoError(t, <-waiting, "a seq in a gap is there once a later fact is")
	cancel()
}

// A stalled backend gives followers nothing until it is released.
type stalled struct {
	*memory.Log
	release chan struct{}
}

func (s *stalled) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		select {
		case <-s.release:
		case <-ctx.Done():
		}
		s.Log.Follow(ctx, after, stores...)(yield)
	}
}

// A hasty backend calls a function in the midst of a replay, which goes on whatever becomes of its ctx.
type hasty struct {
	*stalled
	midst func()
}

func (h *hasty) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		n := 0
		for f, err := range h.Log.Replay(context.WithoutCancel(ctx), after) {
			if n++; n == 1000 {
				h.midst()
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

func TestOpeningNothing(t *testing.T) {
	_, err := store.Open(t.Context(), nil, store.Options{})
	require.ErrorIs(t, err, backend.ErrInvalid)
}

// A Sync that is given up in the midst leaves no gap.
func TestCatchingUpThatIsGivenUp(t *testing.T) {
	for range 20 {
		h := &hasty{&stalled{newLog(t), make(chan struct{})}, nil}
		e := openEngine(t, h)
		var want []backend.Fact
		for n := range 3000 {
			f, err := h.WriteFact(t.Context(), withID(fact("k", n), fmt.Sprint(n)))
			require.NoError(t, err)
			want = append(want, f)
		}
		ctx, cancel := context.WithCancel(t.Context())
		h.midst = cancel
		_ = e.Sync(ctx)
		held := factsOf(e.Facts("s", 0))
		require.Equal(t, want[:len(held)], held)
	}
}

// What a writer does with his memory after he gave up waiting changes nothing.
func TestWritersGivenUpOwnTheirMemory(t *testing.T) {
	s := &stalled{newLog(t), make(chan struct{})}
	e := openEngine(t, s)
	theirs := fact("theirs", 1)
	theirs.ID = "theirs"
	_, err := s.WriteFact(t.Context(), theirs)
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
	for stats, err := s.Stats(t.Context()); stats.LastSeq < 2; stats, err = s.Stats(t.Context()) {
		require.NoError(t, err)
		runtime.Gosched()
	}
	cancel()
	require.ErrorIs(t, <-given, context.Canceled)
	for i := range body {
		body[i] = 'X'
	}
	close(s.release)
	require.NoError(t, e.WaitFor(t.Context(), 2))
	require.Equal(t, []string{"s"}, e.Stores())
	r, ok := e.Get("s", "mykey")
	require.True(t, ok)
	require.Equal(t, "mine", r.ID())
}

// A slow backend can't be followed, and takes its time.
type slow struct {
	backend.Backend
	began   chan struct{}
	release chan struct{}
}

func (s *slow) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	close(s.began)
	<-s.release
	return s.Backend.WriteFact(ctx, f)
}

func TestWaitingForTheOtherWriteHeedsTheContext(t *testing.T) {
	s := &slow{newLog(t), make(chan struct{}), make(chan struct{})}
	e := openEngine(t, s)
	first := make(chan error)
	go func() {
		_, err := e.Write(context.Background(), fact("k", 1))
		first <- err
	}()
	<-s.began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Write(ctx, fact("k", 2))
	require.ErrorIs(t, err, context.Canceled)
	close(s.release)
	require.NoError(t, <-first)
	require.Equal(t, uint64(1), e.Head())
}

// A broken backend gives out a fact that is none.
type broken struct {
	backend.Backend
	change func(*backend.Fact)
}

func (b *broken) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	f, err := b.Backend.WriteFact(ctx, f)
	b.change(&f)
	return f, err
}

func TestFactsThatAreNone(t *testing.T) {
	for name, change := range map[string]func(*backend.Fact){
		"id":        func(f *backend.Fact) { f.ID = strings.Repeat("x", 257) },
		"store":     func(f *backend.Fact) { f.Store = strings.Repeat("x", 257) },
		"key":       func(f *backend.Fact) { f.Key = strings.Repeat("x", 1025) },
		"hash":      func(f *backend.Fact) { f.ValueHash = strings.Repeat("x", 300) },
		"causation": func(f *backend.Fact) { f.Causation = strings.Repeat("x", 129) },
		"value":     func(f *backend.Fact) { f.Value = nil },
	} {
		e := openEngine(t, &broken{newLog(t), change})
		_, err := e.Write(t.Context(), fact("k", 1))
		require.ErrorIs(t, err, backend.ErrCorrupt, name)
		require.ErrorIs(t, e.Err(), backend.ErrCorrupt, name)
		require.Empty(t, e.Stores())
	}
}
