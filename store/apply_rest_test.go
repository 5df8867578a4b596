// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// TestFollowerRests writes so often that the follower rests between two looks at the log. What others write then shows by itself
// later. Sync and a write that comes after it need not wait for that: they end the rest, which fake time proves.
func TestFollowerRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.New(memory.Options{})
		defer l.Close()
		e, err := store.Open(t.Context(), l, store.Options{})
		require.NoError(t, err)
		defer e.Close()
		n := 0
		foreign := func() (seq uint64) {
			n++
			f, err := l.WriteFact(t.Context(), withID(fact("others", n), fmt.Sprint(n)))
			require.NoError(t, err)
			return f.Seq
		}
		rests := func() (seq uint64) {
			for range 20 {
				n++
				_, err := e.Write(t.Context(), fact("own", n))
				require.NoError(t, err)
				synctest.Wait()
			}
			seq = foreign()
			synctest.Wait()
			require.Less(t, e.Head(), seq, "the follower rests")
			return seq
		}

		seq := rests()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, seq, e.Head(), "it goes on by itself")
		next := foreign()
		synctest.Wait()
		require.Equal(t, next, e.Head(), "there were facts of others")

		seq = rests()
		began := time.Now()
		require.NoError(t, e.Sync(t.Context()))
		require.Equal(t, seq, e.Head())
		require.Zero(t, time.Since(began))

		rests()
		n++
		written, err := e.Write(t.Context(), fact("own", n))
		require.NoError(t, err)
		require.Equal(t, written.Seq, e.Head())
		require.Zero(t, time.Since(began))
	})
}
