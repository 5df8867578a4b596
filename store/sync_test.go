package store_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// A narrow backend shows the facts of one store, as a server does whose token is for that.
type narrow struct {
	*memory.Log
	store string
}

func (n narrow) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return backend.ReplayStores(ctx, n.Log, after, n.store)
}

func (n narrow) Follow(ctx context.Context, after uint64, _ ...string) iter.Seq2[backend.Fact, error] {
	return n.Log.Follow(ctx, after, n.store)
}

// TestHeadWithoutFacts wants the head to be where the log ends, though the last facts are not there or
// not to be seen.
func TestHeadWithoutFacts(t *testing.T) {
	l := newLog(t)
	full := openEngine(t, l)
	write := func(name string) uint64 {
		f, err := full.Write(t.Context(), backend.Fact{Store: name, Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		return f.Seq
	}
	write("s")
	pruned := write("s")
	_, err := l.Prune(t.Context(), func(yield func(uint64) bool) { yield(pruned) })
	require.NoError(t, err)
	e := openEngine(t, narrow{l, "s"})
	require.Equal(t, pruned, e.Head())
	require.NoError(t, e.WaitFor(t.Context(), pruned))

	hidden := write("others")
	waits := make(chan error)
	go func() { waits <- e.WaitFor(t.Context(), hidden) }()
	require.NoError(t, e.Sync(t.Context()))
	require.Equal(t, hidden, e.Head())
	require.NoError(t, <-waits)
	_, err = e.Write(t.Context(), backend.Fact{Store: "hidden", Key: "k", Value: []byte("1")})
	require.NoError(t, err, "it is the next one")
	write("s")
	require.NoError(t, e.Sync(t.Context()))
	require.Equal(t, factsOf(full.Facts("s", pruned)), factsOf(e.Facts("s", pruned)))
	require.NoError(t, e.Close())
	require.ErrorIs(t, e.Sync(t.Context()), backend.ErrClosed)
}
