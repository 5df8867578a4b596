// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestQuorum: a process whose leader was replaced without knowing it gets old facts, old Stats and old conflicts. With
// Quorum it waits until it has the present state.
func TestQuorum(t *testing.T) {
	t.Parallel()
	for _, quorum := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(backend.LogID{1}, nil)
			healed := make(chan struct{})
			cut := false
			var mu sync.Mutex
			port := s.port(func(ctx context.Context, op string) fault {
				if op == "append" {
					time.Sleep(time.Millisecond)
				}
				mu.Lock()
				waits := cut && op == "deliver"
				mu.Unlock()
				if waits {
					select {
					case <-healed:
					case <-ctx.Done():
					}
				}
				return fine
			})
			l, err := Open(t.Context(), port, Options{Quorum: quorum})
			require.NoError(t, err)
			other := openIndexed(t, s, 0)
			first := writeNamed(t, other, "first")
			require.Len(t, replay(t, l), 1)
			mu.Lock()
			cut = true
			mu.Unlock()
			s.mu.Lock()
			port.stale.Store(uint64(len(s.entries)))
			s.mu.Unlock()
			second := writeNamed(t, other, "second") // acknowledged by the present leader
			begun := time.Now()
			time.AfterFunc(5*time.Second, func() {
				port.stale.Store(0)
				close(healed)
			})
			var all sync.WaitGroup
			all.Go(func() {
				facts := replay(t, l)
				require.Len(t, facts, map[bool]int{false: 1, true: 2}[quorum])
			})
			all.Go(func() {
				stats, err := l.Stats(t.Context())
				require.NoError(t, err)
				require.Equal(t, map[bool]uint64{false: 1, true: 2}[quorum], stats.LastSeq)
			})
			all.Go(func() {
				err := l.Write(t.Context(), backend.Batch{Expect: []backend.Expect{{Store: "s1", Key: "k1", ID: first.ID}}})[0].Err
				if !quorum {
					require.NoError(t, err)
					return
				}
				var conflict *backend.ConflictError
				require.ErrorAs(t, err, &conflict)
				require.Equal(t, second.ID, conflict.Latest)
			})
			all.Wait()
			if quorum {
				require.GreaterOrEqual(t, time.Since(begun), 5*time.Second)
			}
			<-healed
			// Concurrent reads share a mark.
			s.mu.Lock()
			before := len(s.entries)
			s.mu.Unlock()
			for i := range 100 {
				all.Go(func() { _, err := l.Stats(t.Context()); require.NoError(t, err, fmt.Sprint(i)) })
			}
			all.Wait()
			if quorum {
				require.Less(t, len(s.entries)-before, 4)
				require.Greater(t, len(s.entries), before)
			} else {
				require.Len(t, s.entries, before)
			}
			opened := openIndexed(t, s, 0)
			require.Len(t, replay(t, opened), 2)
			for _, l := range []*Log{l, other, opened} {
				require.NoError(t, l.Close())
			}
		})
	}
}
