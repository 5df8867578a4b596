package store_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// A quiet backend shows its followers nothing, and its first replay after the opening ends with its context.
type quiet struct {
	*memory.Log
	opened        atomic.Bool
	replays, most atomic.Int64 // under way, and at once at most
	finished      atomic.Int64
}

func (s *quiet) Follow(ctx context.Context, _ uint64, _ ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		<-ctx.Done()
		yield(backend.Fact{}, ctx.Err())
	}
}

func (s *quiet) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	if !s.opened.Load() {
		return s.Log.Replay(ctx, after)
	}
	return func(yield func(backend.Fact, error) bool) {
		s.most.Store(max(s.most.Load(), s.replays.Add(1)))
		defer s.replays.Add(-1)
		if s.finished.Add(1) == 1 {
			<-ctx.Done()
		}
		s.Log.Replay(ctx, after)(yield)
	}
}

// TestStalledWriters has many writers wait for a fact that does not come: one of them looks for all.
func TestStalledWriters(t *testing.T) {
	s := &quiet{Log: newLog(t)}
	e := openEngine(t, s)
	s.opened.Store(true)
	_, err := s.WriteFact(t.Context(), backend.Fact{ID: "other", Store: "s", Key: "k", Value: []byte("1")})
	require.NoError(t, err)
	var writers sync.WaitGroup
	for n := range 20 {
		writers.Go(func() {
			if _, err := e.Write(t.Context(), fact("k", n)); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	require.Len(t, factsOf(e.Facts("s", 0)), 21)
	require.Equal(t, int64(1), s.most.Load())
	require.Equal(t, int64(2), s.finished.Load())
}
