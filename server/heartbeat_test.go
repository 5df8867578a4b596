// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

// TestHeartbeats: a subscription gets a heartbeat every five seconds if nothing else is sent, and at once after progress
// over facts of other stores.
func TestHeartbeats(t *testing.T) {
	for name, wrap := range map[string]func(*memory.Log) backend.Backend{"frames": nil, "pages": plain} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := servePipe(t, server.Options{}, wrap)
				s.write(fact("tasks", "a"), fact("notes", "b"))
				p := l.dial(t)
				p.hello("")
				start := time.Now()
				require.Equal(t, `{"ok":true,"stream":true,"last_seq":2}`, unnamed(p.ask(`{"op":"subscribe","stores":["tasks"]}`)))
				facts, _ := p.nextFacts()
				require.Len(t, facts, 1)
				require.Equal(t, `{"event":"heartbeat","last_seq":2}`, p.next())
				require.Zero(t, time.Since(start))
				for i := 1; i <= 3; i++ {
					require.Equal(t, `{"event":"heartbeat","last_seq":2}`, p.next())
					require.Equal(t, time.Duration(i)*5*time.Second, time.Since(start))
				}

				// Facts of other stores come: their heartbeats move the cursor, and are signs of life.
				for i := range uint64(10) {
					time.Sleep(time.Second)
					s.write(fact("notes", fmt.Sprint("n", i)))
					require.Equal(t, fmt.Sprintf(`{"event":"heartbeat","last_seq":%d}`, 3+i), p.next())
				}
				start = time.Now()
				require.Equal(t, `{"event":"heartbeat","last_seq":12}`, p.next())
				require.Equal(t, 5*time.Second, time.Since(start))

				// A fact of the subscription is a sign of life: the next heartbeat is due five seconds after it.
				synctest.Wait()
				time.Sleep(2 * time.Second)
				s.write(fact("tasks", "c"))
				facts, control := p.nextFacts()
				require.Nil(t, control)
				require.Equal(t, "c", facts[0].ID)
				start = time.Now()
				require.Equal(t, "heartbeat", answerOf(t, p.next()).Event)
				require.Equal(t, 5*time.Second, time.Since(start))
			})
		})
	}
}

// A busyLog is far behind its end, and yields an empty page every 10 ms.
type busyLog struct{ *memory.Log }

func (busyLog) Stats(context.Context) (backend.Stats, error) {
	return backend.Stats{LastSeq: 1 << 60}, nil
}

func (busyLog) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		for seq := r.After.Seq; ctx.Err() == nil; seq++ {
			if !yield(wire.Frames{Through: backend.Cursor{Seq: seq}}, nil) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		yield(wire.Frames{}, ctx.Err())
	}
}

// TestProgressFarFromTheEnd: a subscription that reads many pages without a fact to send reports its progress soon, but not
// for each page.
func TestProgressFarFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := servePipe(t, server.Options{}, func(l *memory.Log) backend.Backend { return busyLog{l} })
		p := l.dial(t)
		p.hello("")
		p.requireOK(`{"op":"subscribe","stores":["tasks"]}`)
		start := time.Now()
		for i := range uint64(10) {
			require.Equal(t, fmt.Sprintf(`{"event":"heartbeat","last_seq":%d}`, 5*(i+1)), p.next())
		}
		require.Equal(t, 500*time.Millisecond, time.Since(start))
		require.NoError(t, p.Close())
	})
}

// TestIdleSubscriptionsOfVersion1: an idle subscription of version 1, which gets no heartbeats, does not read the log all
// the time.
func TestIdleSubscriptionsOfVersion1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pages atomic.Int64
		s, l := servePipe(t, server.Options{}, func(l *memory.Log) backend.Backend { return countedLog{l, &pages} })
		p := l.dial(t)
		require.Equal(t, `{"ok":true}`, p.ask(`{"op":"subscribe","stores":[]}`))
		time.Sleep(time.Hour)
		require.Equal(t, int64(1), pages.Load())
		s.write(fact("tasks", "a"))
		require.Contains(t, p.next(), `{"event":"fact_written","fact":{"id":"a"`)
	})
}
