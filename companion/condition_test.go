// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/companion/companiontest"
)

// IfAbsent takes a key that has no value, whether or not it had one, and only once.
func TestIfAbsent(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	open := func() (*companion.Store, *companion.Records[string]) {
		s, err := companion.New(t.Context(), log, companion.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		locks, err := companion.NewRecords[string](s, "locks")
		require.NoError(t, err)
		return s, locks
	}
	s, locks := open()
	ctx := t.Context()
	taken := locks.Change("job", "ana").IfAbsent().WithID("ana's")
	first, err := s.Write(ctx, taken)
	require.NoError(t, err)
	again, err := s.Write(ctx, taken)
	require.NoError(t, err, "it was written before")
	require.Equal(t, first, again)
	var conflict *backend.ConflictError
	_, err = s.Write(ctx, locks.Change("job", "bob").IfAbsent(), locks.Change("other", "bob"))
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, first[0].ID, conflict.Latest)

	gone, err := locks.Delete(ctx, "job")
	require.NoError(t, err)
	r, err := locks.Get(ctx, "job")
	require.ErrorIs(t, err, companion.ErrNotFound)
	require.True(t, r.Retracted)
	require.Equal(t, gone, r.Receipt, "the deletion comes with ErrNotFound")
	r, err = locks.Get(ctx, "never")
	require.ErrorIs(t, err, companion.ErrNotFound)
	require.Zero(t, r)
	_, err = s.Write(ctx, locks.Change("job", "bob").IfNew())
	require.ErrorIs(t, err, companion.ErrConflict)

	// Many take it at once, over two Stores, and give it up again.
	other, others := open()
	for round := range 20 {
		key := fmt.Sprint("job", round%3)
		if round >= 3 {
			_, err := locks.Delete(ctx, key)
			require.NoError(t, err)
		}
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				in, of := s, locks
				if i%2 == 0 {
					in, of = other, others
				}
				_, err := in.Write(ctx, of.Change(key, fmt.Sprint(i)).IfAbsent())
				if err == nil {
					won.Add(1)
				} else {
					require.ErrorIs(t, err, companion.ErrConflict)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
	}
}

// A condition holds for a key that is not written.
func TestConditions(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	ctx := t.Context()
	read, err := tasks.Put(ctx, "read", Task{N: 1})
	require.NoError(t, err)
	receipts, err := s.Write(ctx, tasks.Condition("read").IfLatest(read.ID), tasks.Change("sum", Task{N: 1}), tasks.Condition("none").IfAbsent())
	require.NoError(t, err)
	require.Len(t, receipts, 3)
	require.Zero(t, receipts[0])
	require.Equal(t, read.Seq+1, receipts[1].Seq)
	require.Zero(t, receipts[2])
	receipts, err = s.Write(ctx, tasks.Condition("read").IfLatest(read.ID), tasks.Condition("none").IfNew())
	require.NoError(t, err)
	require.Equal(t, make([]companion.Receipt, 2), receipts)

	_, err = tasks.Put(ctx, "read", Task{N: 2})
	require.NoError(t, err)
	head := s.Head()
	_, err = s.Write(ctx, tasks.Condition("read").IfLatest(read.ID), tasks.Change("sum", Task{N: 1}))
	require.ErrorIs(t, err, companion.ErrConflict)
	_, err = s.Write(ctx, tasks.Condition("read").IfAbsent())
	require.ErrorIs(t, err, companion.ErrConflict)
	require.Equal(t, head, s.Head(), "nothing was written")
	_, err = s.Write(ctx, tasks.Condition("read"))
	require.ErrorIs(t, err, companion.ErrInvalid)
}

// What is current was written last; what is valid now has the latest valid time that is not in the future.
func TestValidNow(t *testing.T) {
	s, clock := companiontest.New(t, companion.Options{})
	prices, err := companion.NewRecords[int](s, "prices")
	require.NoError(t, err)
	ctx := t.Context()
	day := func(n int) time.Time { return companiontest.Start.AddDate(0, 0, n) }
	for _, c := range []companion.Change{
		prices.Change("lamp", 40).ValidFrom(day(-30)), prices.Change("lamp", 35).ValidFrom(day(-60)), // found in an archive
		prices.Change("chair", 80).ValidFrom(day(-30)), prices.Change("chair", 90).ValidFrom(day(30)), // known ahead
		prices.Change("table", 50),
	} {
		_, err := s.Write(ctx, c)
		require.NoError(t, err)
	}
	all, err := prices.Scope("all", companion.Filter[int]{})
	require.NoError(t, err)
	now := companion.ValidNow() // is when it is read
	expect := func(lamp, chair, table int) {
		t.Helper()
		want := []int{lamp, chair, table}
		for i, key := range []string{"lamp", "chair", "table"} {
			r, err := prices.GetAt(ctx, key, now)
			require.NoError(t, err)
			require.Equal(t, want[i], r.Value)
		}
		var listed []int
		for _, r := range collect(t, all.List(ctx, companion.Query{At: now})) {
			listed = append(listed, r.Value)
		}
		require.Equal(t, want, listed)
	}
	r, err := prices.Get(ctx, "chair")
	require.NoError(t, err)
	require.Equal(t, 90, r.Value)
	expect(40, 80, 50)
	require.Len(t, collect(t, prices.History(ctx, "chair", now)), 1)
	page, err := prices.Query(ctx, companion.Query{At: now, Limit: 1})
	require.NoError(t, err)
	clock.Advance(31 * 24 * time.Hour)
	page, err = prices.Query(ctx, companion.Query{At: now, Limit: 1, Cursor: page.Next})
	require.NoError(t, err)
	require.Equal(t, 90, page.Records[0].Value)
	_, err = prices.Put(ctx, "table", 55)
	require.NoError(t, err)
	expect(40, 90, 55)

	// A reader whose clock is behind sees what it has written.
	clock.Advance(-1000 * 24 * time.Hour)
	_, err = prices.Put(ctx, "table", 60)
	require.NoError(t, err)
	expect(40, 90, 60)
}
