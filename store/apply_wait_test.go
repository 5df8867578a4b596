// SPDX-License-Identifier: Apache-2.0

package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// written returns the verdict on a batch with seqs from first through last; facts from fresh on are new.
func written(first, last, fresh uint64) backend.Written {
	w := backend.Written{First: fresh}
	for seq := first; seq <= last; seq++ {
		w.Facts = append(w.Facts, backend.Fact{Seq: seq, ID: string(rune('a' + seq)), Store: "s", Key: string(rune('a' + seq)), Value: []byte("1")})
	}
	return w
}

// A write is applied as a whole, by its writer or with its page, whichever comes first, and only after all facts
// before it.
func TestOwnWrites(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	e := newEngine(l, Options{}) // it does not follow the log: this test applies the pages
	page := func(first, last, through uint64) {
		require.NoError(t, e.applyPage(backend.Page{Facts: written(first, last, first).Facts, Through: backend.Cursor{Seq: through}}))
	}
	write := func(w backend.Written) chan error {
		done := make(chan error, 1)
		e.mu.Lock()
		waiting := len(e.waiting)
		e.mu.Unlock()
		go func() { done <- e.acknowledged(t.Context(), w) }()
		for {
			e.mu.Lock()
			now := len(e.waiting)
			e.mu.Unlock()
			if now > waiting || len(done) > 0 {
				return done
			}
		}
	}
	require.NoError(t, <-write(written(1, 3, 1)), "it is next")
	require.Equal(t, uint64(3), e.Head())

	last, middle := write(written(7, 8, 7)), write(written(5, 6, 5))
	old, unknown := write(written(7, 9, 9)), write(written(9, 9, 0))
	require.Equal(t, uint64(3), e.Head())
	require.Equal(t, Record{}, e.Latest("s", string(rune('a'+5))))
	page(4, 4, 4)
	require.NoError(t, <-middle)
	require.NoError(t, <-last)
	require.Equal(t, uint64(8), e.Head(), "each write takes the next one along")
	require.Empty(t, old, "a write that is old in part waits for its page")
	require.Empty(t, unknown, "as does one of which it is not known")
	page(7, 9, 9)
	require.NoError(t, <-old)
	require.NoError(t, <-unknown)

	inside := write(written(15, 16, 15))
	page(11, 16, 20)
	require.NoError(t, <-inside, "its page came first")
	require.Equal(t, uint64(20), e.Head())
	gap := write(written(25, 26, 25))
	page(22, 22, 24)
	require.NoError(t, <-gap, "the log was read up to the write")
	require.Equal(t, uint64(26), e.Head())
	require.NoError(t, <-write(written(11, 12, 0)), "it is there already")
	n := 0
	for range e.view("s").facts(0) {
		n++
	}
	require.Equal(t, 3+1+2+2+1+6+1+2, n, "each fact once")
}
