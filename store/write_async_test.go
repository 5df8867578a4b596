// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func TestWriteAsync(t *testing.T) {
	e := openEngine(t, newLog(t))
	var derived atomic.Int64
	require.NoError(t, e.AddRule(store.Rule{Name: "count", Source: "s", Derive: func(context.Context, store.Record) (store.Derived, error) {
		derived.Add(1)
		return store.Derived{}, nil
	}}))
	write := func(b backend.Batch) backend.Pending {
		p, err := e.WriteAsync(t.Context(), b)
		require.NoError(t, err)
		return p
	}
	const n = 500
	all := make([]backend.Pending, n)
	for i := range all {
		all[i] = write(backend.Batch{Facts: []backend.Fact{fact(fmt.Sprint("k", i%7), i)}})
	}
	conflict := write(backend.Batch{Facts: []backend.Fact{fact("k0", -1)}, Expect: []backend.Expect{{Store: "s", Key: "k0"}}})
	after := write(backend.Batch{Facts: []backend.Fact{fact("after", 1), fact("after", 2)}})

	w := after.Wait(t.Context())
	require.NoError(t, w.Err)
	r, ok := e.Get("s", "after")
	require.True(t, ok)
	require.Equal(t, w.Facts[1].Seq, r.Seq(), "what was waited for is shown")
	var failed *backend.ConflictError
	require.ErrorAs(t, conflict.Wait(t.Context()).Err, &failed)
	last := uint64(0)
	for i := range all {
		w := all[i].Wait(t.Context())
		require.NoError(t, w.Err)
		require.Equal(t, fmt.Sprintf(`{"n":%d}`, i), string(w.Facts[0].Value))
		require.Greater(t, w.Facts[0].Seq, last)
		last = w.Facts[0].Seq
	}
	require.EqualValues(t, n+2, derived.Load(), "rules have run for each")

	_, err := e.WriteAsync(t.Context(), backend.Batch{Facts: []backend.Fact{{Store: "s", Key: "k", Value: []byte("{")}}})
	require.Error(t, err)
	pending := write(backend.Batch{Facts: []backend.Fact{fact("last", 1)}})
	require.NoError(t, e.Close())
	<-pending.Done() // written or not, but it has ended
	_, err = e.WriteAsync(t.Context(), backend.Batch{Facts: []backend.Fact{fact("k", 1)}})
	require.ErrorIs(t, err, backend.ErrClosed)
}

// What is given to WriteAsync may be changed by the caller afterwards.
func TestWriteAsyncKeepsNothing(t *testing.T) {
	e := openEngine(t, newLog(t))
	f := fact("k", 1)
	f.Producer, f.Derivation = []byte(`{"a":1}`), []byte(`[1]`)
	b := backend.Batch{Facts: []backend.Fact{f}, Expect: []backend.Expect{{Store: "s", Key: "k"}}}
	p, err := e.WriteAsync(t.Context(), b)
	clear(f.Value)
	clear(f.Producer)
	clear(f.Derivation)
	b.Facts[0], b.Expect[0] = backend.Fact{}, backend.Expect{}
	require.NoError(t, err)
	w := p.Wait(t.Context())
	require.NoError(t, w.Err)
	require.Equal(t, `{"n":1}{"a":1}[1]`, string(w.Facts[0].Value)+string(w.Facts[0].Producer)+string(w.Facts[0].Derivation))
}
