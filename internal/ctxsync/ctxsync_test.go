// SPDX-License-Identifier: Apache-2.0

package ctxsync_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/ctxsync"
)

func TestMutex(t *testing.T) {
	m := ctxsync.NewMutex()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, m.Lock(done), "a free lock is taken whatever the context is")
	require.False(t, m.TryLock())
	require.ErrorIs(t, m.Lock(done), context.Canceled)
	m.Unlock()
	require.True(t, m.TryLock())
	m.Unlock()
}

func TestMutexExcludes(t *testing.T) {
	m := ctxsync.NewMutex()
	n := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if m.Lock(t.Context()) == nil {
					n++
					m.Unlock()
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, 8000, n)
}

func TestSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s ctxsync.Signal
		s.Notify() // of no one
		first := s.Changed()
		require.Equal(t, first, s.Changed())
		woken := 0
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 3 {
			all.Go(func() {
				<-first
				mu.Lock()
				woken++
				mu.Unlock()
			})
		}
		synctest.Wait()
		require.Zero(t, woken)
		s.Notify()
		all.Wait()
		require.Equal(t, 3, woken)
		select {
		case <-s.Changed():
			t.Fatal("a new wait ended by an old change")
		default:
		}
	})
}

func TestPatience(t *testing.T) {
	ends, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.True(t, ctxsync.IsPatient(context.Background()), "it never ends")
	require.False(t, ctxsync.IsPatient(ends))
	below, stop := context.WithCancel(ctxsync.WithPatience(ends))
	defer stop()
	require.True(t, ctxsync.IsPatient(below))
}
