// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/store"
)

// A granted log lets its caller read only some stores, which may change.
type granted struct {
	*memory.Log
	mu      sync.Mutex
	stores  []string // nil: all
	changed ctxsync.Signal
}

func (g *granted) grant(stores ...string) {
	g.mu.Lock()
	g.stores = stores
	g.mu.Unlock()
	g.changed.Notify()
}

func (g *granted) readable() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stores
}

func (g *granted) Features() backend.Features {
	f := g.Log.Features()
	f.Stores = g.readable()
	return f
}

func (g *granted) narrow(r backend.Range) backend.Range {
	if stores := g.readable(); r.Stores == nil {
		r.Stores = stores
	} else if stores != nil {
		r.Stores = slices.DeleteFunc(slices.Clone(r.Stores), func(s string) bool { return !slices.Contains(stores, s) })
	}
	return r
}

func (g *granted) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return g.Log.Replay(ctx, g.narrow(r))
}

func (g *granted) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		changed := g.changed.Changed()
		go func() {
			select {
			case <-changed:
				cancel(backend.ErrAccessChanged)
			case <-ctx.Done():
			}
		}()
		defer cancel(nil)
		for p, err := range g.Log.Follow(ctx, g.narrow(r)) {
			if err != nil && context.Cause(ctx) == backend.ErrAccessChanged {
				err = backend.ErrAccessChanged
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// Writes to stores that a process may not read are done when they are acknowledged, and do not show. A batch with
// other stores too waits until those show.
func TestStoresThatCannotBeRead(t *testing.T) {
	g := &granted{Log: newLog(t)}
	g.grant("mine")
	others, e := openEngine(t, g.Log), openEngine(t, g)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mine []backend.Fact
	for n := range 10 {
		_, err := others.Write(ctx, backend.Fact{Store: "theirs", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		_, err = e.Write(ctx, backend.Fact{Store: "drop", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		b := backend.Batch{Facts: []backend.Fact{fact("k", n), fact("k", n+10), fact("l", n)}}
		b.Facts[0].Store, b.Facts[1].Store, b.Facts[2].Store = "drop", "mine", "mine"
		facts, err := e.WriteBatch(ctx, b)
		require.NoError(t, err)
		mine = append(mine, facts[1], facts[2])
		require.Equal(t, mine, factsOf(e.Facts(ctx, "mine", 0)))
	}
	require.Equal(t, []string{"mine"}, e.Stores())
	for _, e := range []*store.Engine{others, e} {
		require.NoError(t, e.Sync(ctx))
	}
	require.Equal(t, others.Head(), e.Head())
	_, err := e.WriteIf(ctx, "", backend.Fact{Store: "drop", Key: "k", Value: []byte("1")})
	require.ErrorIs(t, err, backend.ErrConflict, "nothing could be read to resolve it")
}

// When the stores that an engine may read change, it drops the stores that were taken away and loads the stores
// that were added, with scopes and indexes. It goes on writing and following meanwhile.
func TestAccessThatChanges(t *testing.T) {
	for _, stores := range [][]string{nil, {"a", "b", "c"}} {
		g := &granted{Log: newLog(t)}
		g.grant("a", "b")
		full := openEngine(t, g.Log)
		write := func(e *store.Engine) {
			for _, name := range []string{"a", "b", "c"} {
				_, err := e.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{{Store: name, Key: "k", Value: []byte("1")}, {Store: name, Key: "l", Value: []byte("2")}}})
				require.NoError(t, err)
			}
		}
		write(full)
		e, err := store.Open(t.Context(), g, store.Options{Stores: stores})
		require.NoError(t, err)
		defer e.Close()
		counts := map[string]*store.Scope{}
		for _, name := range []string{"a", "b", "c"} {
			counts[name], err = e.Scope(name, "all", store.Filter{})
			require.NoError(t, err)
		}
		for _, access := range [][]string{{"a", "b"}, {"b", "c"}, {}, {"c"}, nil, {"a"}} {
			g.grant(access...)
			write(e)
			want := access
			if access == nil {
				want = []string{"a", "b", "c"}
			}
			for !slices.Equal(want, e.Stores()) {
				require.NoError(t, e.Err())
				runtime.Gosched()
			}
			write(full)
			require.NoError(t, e.Sync(t.Context()))
			for _, name := range []string{"a", "b", "c"} {
				facts := []backend.Fact{}
				if slices.Contains(want, name) {
					facts = factsOf(full.Facts(t.Context(), name, 0))
					require.Equal(t, facts, factsOf(e.Facts(t.Context(), name, 0)), "%s of %v", name, access)
				} else {
					require.ErrorIs(t, firstError(e.Facts(t.Context(), name, 0)), backend.ErrForbidden)
				}
				require.Equal(t, min(2, len(facts)), counts[name].Count())
			}
		}
	}
}
