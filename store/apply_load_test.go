// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// A halting backend does something after the first fact of each replay.
type halting struct {
	*memory.Log
	after func()
	fail  error
}

func (h *halting) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for p, err := range small(h.Log.Replay(ctx, r)) {
			if !yield(p, err) {
				return
			}
			if do := h.after; do != nil {
				h.after = nil
				do()
			}
			if h.fail != nil {
				yield(backend.Page{}, h.fail)
				return
			}
		}
	}
}

// TestLoad opens an engine of no stores, and loads them while others write and compact.
func TestLoad(t *testing.T) {
	h := &halting{Log: newLog(t)}
	full := openEngine(t, h.Log)
	write := func(n int) {
		for i := range n {
			f := fact(fmt.Sprint("k", i%7), i)
			f.Store = fmt.Sprint("s", i%3)
			_, err := full.Write(t.Context(), f)
			require.NoError(t, err)
		}
	}
	write(300)
	e, err := store.Open(t.Context(), h, store.Options{Stores: []string{}})
	require.NoError(t, err)
	defer e.Close()
	require.Empty(t, e.Stores())
	require.Equal(t, full.Head(), e.Head())
	_, err = e.Write(t.Context(), backend.Fact{Store: "s1", Key: "k", Value: []byte("1")})
	require.ErrorIs(t, err, store.ErrNotLoaded)

	require.NoError(t, e.Upcast("s1"))
	h.after = func() {
		write(30)
		require.NoError(t, full.Retain("s1", store.Retention{Versions: 2}))
		_, err := full.Compact(t.Context())
		require.NoError(t, err)
		write(5)
		require.NoError(t, e.WaitFor(t.Context(), full.Head()))
		require.Zero(t, e.Latest("s1", "k1"), "nothing is shown by halves")
	}
	require.NoError(t, e.Load(t.Context(), "s1", "s2", "s1"))
	require.Nil(t, h.after)
	require.Equal(t, []string{"s1", "s2"}, e.Stores())
	for _, name := range []string{"s1", "s2"} {
		require.Equal(t, factsOf(full.Facts(t.Context(), name, 0)), factsOf(e.Facts(t.Context(), name, 0)), name)
	}
	require.Len(t, factsOf(e.Facts(t.Context(), "s1", 0)), 16, "two of each key, and two that came later")
	_, err = e.Write(t.Context(), backend.Fact{Store: "s1", Key: "k", Value: []byte("1")})
	require.NoError(t, err)

	h.fail = errors.New("the disk is gone")
	require.ErrorIs(t, e.Load(t.Context(), "s0"), h.fail)
	require.NoError(t, e.Load(t.Context(), "s1"), "it is there")
	for _, err := range e.Facts(t.Context(), "s0", 0) {
		require.ErrorIs(t, err, store.ErrNotLoaded)
	}
	h.fail = nil
	require.ErrorIs(t, e.Load(t.Context(), "s0", ""), backend.ErrInvalid)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, e.Load(cancelled, "s0"), context.Canceled)
	require.NoError(t, e.Load(t.Context(), "s0"))
	write(20)
	require.NoError(t, e.Sync(t.Context()))
	require.Equal(t, factsOf(full.Facts(t.Context(), "s0", 0)), factsOf(e.Facts(t.Context(), "s0", 0)))
	require.NoError(t, e.Load(t.Context(), "new"))
	_, err = e.Write(t.Context(), backend.Fact{Store: "new", Key: "k", Value: []byte("1")})
	require.NoError(t, err)

	require.NoError(t, e.Close())
	require.ErrorIs(t, e.Load(t.Context(), "other"), backend.ErrClosed)
}

// A lasting backend replays what comes while it replays.
type lasting struct{ *halting }

func (l lasting) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for last := r.After.Seq - 1; last != r.After.Seq; {
			last = r.After.Seq
			for p, err := range l.halting.Replay(ctx, r) {
				if r.After = p.Through; !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

// TestOpenWhileCompacted opens an engine of one store while others compact that and write to it.
func TestOpenWhileCompacted(t *testing.T) {
	h := lasting{&halting{Log: newLog(t)}}
	full := openEngine(t, h.Log)
	write := func() {
		_, err := full.Write(t.Context(), fact("k", 1))
		require.NoError(t, err)
	}
	write()
	write()
	h.after = func() { // when the first fact was read
		require.NoError(t, full.Retain("s", store.Retention{Versions: 1}))
		_, err := full.Compact(t.Context())
		require.NoError(t, err)
		write()
	}
	e, err := store.Open(t.Context(), h, store.Options{Stores: []string{"s"}})
	require.NoError(t, err)
	defer e.Close()
	require.Nil(t, h.after)
	require.NoError(t, e.WaitFor(t.Context(), full.Head()))
	require.Equal(t, factsOf(full.Facts(t.Context(), "s", 0)), factsOf(e.Facts(t.Context(), "s", 0)), "the receipt is seen")

	for field, o := range map[string]store.Options{"stores": {Stores: []string{"s", ""}}, "keep_versions": {KeepVersions: -1}} {
		_, err = store.Open(t.Context(), h, o)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
	}
}

// TestLoadClosed closes an engine that loads a store.
func TestLoadClosed(t *testing.T) {
	h := &halting{Log: newLog(t)}
	full := openEngine(t, h.Log)
	for i := range 3 {
		_, err := full.Write(t.Context(), fact("k", i))
		require.NoError(t, err)
	}
	e, err := store.Open(t.Context(), h, store.Options{Stores: []string{"there"}})
	require.NoError(t, err)
	h.after = func() {
		require.NoError(t, e.Close())
		h.fail = errors.New("the log is read on")
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, e.Load(cancelled, "there"), "it does not wait for others")
	}
	err = e.Load(t.Context(), "s")
	require.ErrorIs(t, err, backend.ErrClosed)
	require.NotErrorIs(t, err, h.fail)
	require.False(t, e.Loaded("s"))
}

// TestTailNotLoaded wants an error of a Tail that could never yield a fact.
func TestTailNotLoaded(t *testing.T) {
	l := newLog(t)
	full := openEngine(t, l)
	_, err := full.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	e, err := store.Open(t.Context(), l, store.Options{Stores: []string{}})
	require.NoError(t, err)
	defer e.Close()
	all, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nobody waits forever
	for _, err = range all.Watch(ctx, 0) {
		break
	}
	require.ErrorIs(t, err, store.ErrNotLoaded)
}
