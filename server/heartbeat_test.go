package server_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// TestHeartbeats has a subscription hear every five seconds that it is alive, be the log idle or busy with
// what it does not want, and not once more.
func TestHeartbeats(t *testing.T) {
	for name, wrap := range map[string]func(*memory.Log) backend.Backend{"frames": nil, "facts": plain} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := servePipe(t, server.Options{}, wrap)
				s.write(fact("tasks", "a"), fact("notes", "b"))
				p := l.dial(t)
				p.hello("")
				start := time.Now()
				require.Equal(t, `{"ok":true,"last_seq":2}`, p.ask(`{"op":"subscribe","stores":["tasks"]}`))
				facts, _ := p.nextFacts()
				require.Len(t, facts, 1)
				for i := 1; i <= 3; i++ {
					require.Equal(t, `{"event":"heartbeat","last_seq":2}`, p.next())
					require.Equal(t, time.Duration(i)*5*time.Second, time.Since(start))
				}

				// Only facts of others come, more often than heartbeats: these take the cursor along.
				stop := make(chan struct{})
				go func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						case <-time.After(time.Second):
							_, _ = s.log.WriteFact(t.Context(), fact("notes", fmt.Sprint("n", i)))
						}
					}
				}()
				last := uint64(2)
				for i := 4; i <= 6; i++ {
					a := answerOf(t, p.next())
					require.Equal(t, "heartbeat", a.Event)
					require.Greater(t, a.LastSeq, last)
					last = a.LastSeq
					require.Equal(t, time.Duration(i)*5*time.Second, time.Since(start))
				}
				close(stop)

				// A wanted one is a sign of life: the next heartbeat is due five seconds after it.
				synctest.Wait()
				time.Sleep(2 * time.Second)
				s.write(fact("tasks", "c"))
				facts, signal := p.nextFacts()
				require.Nil(t, signal)
				require.Equal(t, "c", facts[0].ID)
				start = time.Now()
				require.Equal(t, "heartbeat", answerOf(t, p.next()).Event)
				require.Equal(t, 5*time.Second, time.Since(start))
			})
		})
	}
}

// TestIdleSubscriptionsOfVersion1 has such a subscription wait, which gets no heartbeats, without looking at
// the log all the time.
func TestIdleSubscriptionsOfVersion1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var steps atomic.Int64
		s, l := servePipe(t, server.Options{}, func(l *memory.Log) backend.Backend { return countedLog{l, &steps, 10_000} })
		p := l.dial(t)
		require.Equal(t, `{"ok":true}`, p.ask(`{"op":"subscribe","stores":[]}`))
		time.Sleep(time.Hour)
		require.LessOrEqual(t, steps.Load(), int64(time.Hour/(5*time.Second))+2)
		s.write(fact("tasks", "a"))
		require.Contains(t, p.next(), `{"event":"fact_written","fact":{"id":"a"`)
	})
}
