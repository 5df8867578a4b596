// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"iter"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// held is a log whose Follow yields one fact at a time, and reads the log again for each. It announces each page and
// waits with it, until open is closed.
type held struct {
	backend.Log
	at, next, open chan struct{}
}

func (h held) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for first := true; ; first = false {
			p, err := h.page(ctx, r, first)
			for _, c := range []chan struct{}{h.at, h.next} {
				select {
				case <-c:
				case <-h.open:
				case <-ctx.Done():
				}
			}
			if !yield(p, err) || err != nil {
				return
			}
			r.After = p.Through
		}
	}
}

// page returns the next page.
func (h held) page(ctx context.Context, r backend.Range, first bool) (backend.Page, error) {
	told := map[string]backend.Horizon{}
	for p, err := range small(h.Log.Follow(ctx, r)) {
		if err != nil {
			return backend.Page{}, err
		}
		maps.Copy(told, p.Horizons)
		if first || p.Through.Seq > r.After.Seq {
			p.Horizons = told
			return p, nil
		}
	}
	return backend.Page{}, backend.ErrClosed
}

// An engine that reads a page from which facts were pruned learns so with the page, and not from the receipt that comes
// later: no loop, and no fold, passes over them without a word.
func TestPrunedBeforeThePage(t *testing.T) {
	l := newLog(t)
	h := held{l, make(chan struct{}), make(chan struct{}), make(chan struct{})}
	e, writer := openEngine(t, h), openEngine(t, l)
	require.NoError(t, writer.Retain("s", store.Retention{Versions: 1}))
	write := func(n int) {
		_, err := writer.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
	}
	read := func() { h.at <- struct{}{} } // the log is read for the next page
	show := func(seq uint64) {
		h.next <- struct{}{}
		require.NoError(t, e.WaitFor(t.Context(), seq))
	}
	read()
	h.next <- struct{}{} // the first page is empty

	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	tail, stop := iter.Pull2(e.Tail(t.Context(), "s", 0))
	defer stop()
	watch, stopWatch := iter.Pull2(scope.Watch(t.Context(), 0))
	defer stopWatch()
	fold := store.NewFold(e, 0, func(n int, _ store.Record) int { return n + 1 }, "s")
	whole := func(seq uint64) {
		r, err, _ := tail()
		require.NoError(t, err)
		require.Equal(t, seq, r.Seq())
		event, err, _ := watch()
		require.NoError(t, err)
		require.Equal(t, seq, event.Record.Seq())
		require.NoError(t, fold.Read(t.Context(), func(_ int, through uint64) { require.Equal(t, seq, through) }))
	}
	write(1)
	read()
	show(1)
	whole(1)
	write(2)
	read()
	for n := range 3 {
		write(3 + n)
	}
	done, err := writer.Compact(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(5), done[0].Horizon.Seq)
	show(2)
	whole(2)
	read()
	show(5) // and not the receipt

	_, err, _ = tail()
	require.ErrorIs(t, err, backend.ErrCompacted, "facts 3 and 4 are missing")
	_, err, _ = watch()
	require.ErrorIs(t, err, backend.ErrCompacted)
	require.ErrorIs(t, fold.Read(t.Context(), func(int, uint64) {}), backend.ErrCompacted)
	for _, err := range e.Facts(t.Context(), "s", 2) {
		require.ErrorIs(t, err, backend.ErrCompacted)
		break
	}
	_, _, err = e.GetAt(t.Context(), "s", "k", store.AsOf(4))
	require.ErrorIs(t, err, backend.ErrCompacted)
	require.NoError(t, fold.Begin(t.Context(), 4, 5))
	whole(5)

	close(h.open)
	write(6)
	require.NoError(t, e.Sync(t.Context()))
	r, err, _ := tail()
	require.NoError(t, err, "it was told")
	require.Equal(t, writer.Head(), r.Seq())
}

// A loop that gets every fact is not told of compactions, however slow it is. An engine that reads the receipts of
// compactions drops facts that a slow loop has not come to; one that may not read them keeps these.
func TestLoopsThatMissNothing(t *testing.T) {
	for _, receipts := range []bool{true, false} {
		l := newLog(t)
		writer := openEngine(t, l)
		require.NoError(t, writer.Retain("s", store.Retention{Versions: 1}))
		e := openEngine(t, reads(l, func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			if !receipts {
				r.Stores = []string{"s"}
			}
			return next(ctx, r)
		}))
		tail, stop := iter.Pull2(e.Tail(t.Context(), "s", 0))
		defer stop()
		write := func() uint64 {
			f, err := writer.Write(t.Context(), fact("k", 1))
			require.NoError(t, err)
			require.NoError(t, e.WaitFor(t.Context(), f.Seq))
			return f.Seq
		}
		compact := func() {
			_, err := writer.Compact(t.Context())
			require.NoError(t, err)
			require.NoError(t, e.WaitFor(t.Context(), writer.Head()))
			require.NoError(t, e.Sync(t.Context())) // the head moves a moment before facts are dropped
		}
		yields := func(seq uint64) {
			t.Helper()
			r, err, _ := tail()
			require.NoError(t, err)
			require.Equal(t, seq, r.Seq())
		}
		for range 3 { // it keeps up
			yields(write())
			yields(write())
			compact()
		}
		first := write()
		yields(first)
		slow, last := write(), write()
		compact()
		require.Equal(t, last, e.Horizon("s").Seq)
		if receipts {
			_, err, _ := tail()
			require.ErrorIs(t, err, backend.ErrCompacted)
		} else {
			yields(slow)
		}
		yields(last)
		yields(write())
	}
}
