// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestBudget: a client gets half of the room, large requests wait for it, and freed room can be taken again.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget{max: 100, patience: time.Second, by: map[string]int64{}}
		one, two, other, anybody := b.share("a", false), b.share("a", false), b.share("b", false), b.share("", true)
		require.NoError(t, one.set(40))
		require.ErrorIs(t, two.set(11), backend.ErrUnavailable)
		require.NoError(t, two.set(10))
		require.NoError(t, other.await(t.Context(), 1000), "as much as it may have")
		require.ErrorIs(t, anybody.set(1), backend.ErrUnavailable)
		require.ErrorIs(t, anybody.await(t.Context(), 1), backend.ErrUnavailable, "after a while")
		done := make(chan error, 1)
		go func() { done <- anybody.await(t.Context(), 30) }()
		synctest.Wait()
		require.NoError(t, two.set(0))
		synctest.Wait()
		require.Empty(t, done)
		require.NoError(t, one.set(20))
		require.NoError(t, <-done)
		require.NoError(t, anybody.awaitAtLeast(t.Context(), 10))
		require.EqualValues(t, 30, anybody.n)
		require.ErrorIs(t, anybody.awaitAtLeast(t.Context(), 31), backend.ErrUnavailable)
		ended, end := context.WithCancel(t.Context())
		end()
		require.ErrorIs(t, two.await(ended, 1), backend.ErrUnavailable)
		for _, s := range []*share{&one, &other, &two} {
			s.end()
			require.ErrorIs(t, s.set(1), context.Canceled, "nothing is taken for a request that has ended")
		}
		require.NoError(t, anybody.set(100))
		require.NoError(t, anybody.set(0))
		one = b.share("a", false)
		require.NoError(t, one.setLarge(small-1))
		require.Zero(t, one.n)
		require.NoError(t, one.setLarge(small))
		require.EqualValues(t, 50, one.n)
		require.NoError(t, one.set(40))
		require.NoError(t, one.add(5))
		require.EqualValues(t, 45, one.n)
		require.NoError(t, one.add(10), "as much as it may have")
		require.EqualValues(t, 50, one.n)
		one.end()
		require.Zero(t, b.all)
		require.Empty(t, b.by)
	})
}

// TestBodyWaits: a small body waits while questions use the room; a large body is refused.
func TestBodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := func() *budget { return &budget{max: 4 * small, patience: time.Second, by: map[string]int64{}} }
		large, asking := room(), room()
		question := asking.share("", true)
		require.NoError(t, question.set(4*small))
		x := &exchange{large: large.share("", true), asking: asking.share("", true)}
		require.ErrorIs(t, x.holdBody(t.Context(), 100), backend.ErrUnavailable, "after a while")
		done := make(chan error, 1)
		go func() { done <- x.holdBody(t.Context(), 100) }()
		synctest.Wait()
		require.Empty(t, done)
		question.end()
		require.NoError(t, <-done)
		require.EqualValues(t, 100*timesWritten, x.asking.n)

		fact := large.share("", true)
		require.NoError(t, fact.set(4*small))
		begun := time.Now()
		require.ErrorIs(t, x.holdBody(t.Context(), small), backend.ErrUnavailable)
		require.Zero(t, time.Since(begun))
		fact.end()
		require.NoError(t, x.holdBody(t.Context(), small))
		require.Zero(t, x.asking.n)
	})
}
