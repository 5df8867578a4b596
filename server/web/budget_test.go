// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestBudget: a client has half of the room, a question waits for it, and what is given back can be taken again.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget{max: 100, by: map[string]int64{}}
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
		two.giveBack()
		synctest.Wait()
		require.Empty(t, done)
		require.NoError(t, one.set(20))
		require.NoError(t, <-done)
		ended, end := context.WithCancel(t.Context())
		end()
		require.ErrorIs(t, two.await(ended, 1), backend.ErrUnavailable)
		for _, s := range []*share{&one, &other, &anybody, &two} {
			s.giveBack()
		}
		require.NoError(t, anybody.set(100))
		anybody.giveBack()
		require.Zero(t, b.all)
		require.Empty(t, b.by)
		require.NoError(t, one.setLarge(small-1))
		require.Zero(t, one.n)
		require.NoError(t, one.setLarge(small))
		require.EqualValues(t, 50, one.n)
		one.giveBack()
		require.NoError(t, one.keep(10))
		require.NoError(t, one.setLarge(0))
		require.EqualValues(t, 10, one.n)
		require.ErrorIs(t, one.keep(41), backend.ErrUnavailable)
		require.NoError(t, one.keep(-10))
		require.Zero(t, b.all)
	})
}
