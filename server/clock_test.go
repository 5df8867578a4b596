// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// TestClock: if the log's last time is ahead of the clock, the server logs it once at the beginning and, without a request,
// once at the end. Meanwhile there is a warning, and facts get times after the last one.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		log := memory.New(memory.Options{})
		defer log.Close()
		s := New(log, Options{Logger: zap.New(core)})
		defer s.Close()
		write := func(id string, at time.Time) backend.Fact {
			w := log.Write(t.Context(), backend.Batch{Facts: []backend.Fact{{ID: id, Store: "s", Key: "k", Value: []byte("1"), TransactionTime: at}}})
			require.NoError(t, w[0].Err)
			s.note(w)
			return w[0].Facts[0]
		}
		warnings := func() []string {
			stats, err := s.Stats(t.Context())
			require.NoError(t, err)
			return s.Warnings(&stats)
		}
		count := func(text string) int { return logs.FilterMessageSnippet(text).Len() }

		write("now", time.Time{})
		write("a little ahead", time.Now().Add(aheadBy))
		require.Empty(t, warnings())
		require.Zero(t, logs.Len())
		for round := range 2 {
			last := write("ahead"+string(rune('0'+round)), time.Now().Add(3*time.Minute)).TransactionTime
			next := write("next"+string(rune('0'+round)), time.Time{}).TransactionTime
			require.Equal(t, last.Add(1), next)
			require.Len(t, warnings(), 1)
			require.Contains(t, warnings()[0], "clock_behind: ")
			require.Equal(t, round+1, count("ahead of the clock"))
			require.Equal(t, round, count("caught up"))
			time.Sleep(4 * time.Minute) // passes at once
			synctest.Wait()
			require.Equal(t, round+1, count("caught up"), "without a request")
			require.Empty(t, warnings())
			require.Equal(t, time.Now(), write("later"+string(rune('0'+round)), time.Time{}).TransactionTime.Local())
		}
		write("far ahead", time.Now().Add(time.Hour)) // Close ends the checks
	})
}

// TestFull: there is a warning after a write found no room, until a write finds room.
func TestFull(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	s := New(log, Options{})
	defer s.Close()
	full := func() int { return len(s.Warnings(new(backend.Stats))) }
	s.note([]backend.Written{{Err: backend.ErrFull}})
	require.Equal(t, 1, full())
	s.note([]backend.Written{{Err: backend.ErrConflict}, {Facts: make([]backend.Fact, 1)}})
	require.Equal(t, 1, full(), "nothing new was written")
	s.note([]backend.Written{{Facts: make([]backend.Fact, 1), First: 5}})
	require.Zero(t, full())
}

// TestStatsThatHang: if the Stats of a log hang, callers do not wait for long.
func TestStatsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.New(memory.Options{})
		defer l.Close()
		s := New(backend.Intercept(l, backend.Hooks{Stats: func(ctx context.Context, _ func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
			<-ctx.Done()
			return backend.Stats{}, ctx.Err()
		}}), Options{})
		defer s.Close()
		_, err := s.Stats(context.Background())
		require.ErrorIs(t, err, backend.ErrUnavailable)
		done, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.Stats(done)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, backend.ErrUnavailable)
	})
}
