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

// A failing backend fails at the n-th step of a compaction, a prune or a write of a receipt, done or
// not done.
type failing struct {
	*memory.Log
	n    int // 0: it does not fail any more
	done bool
}

var errStep = errors.New("the step failed")

func (f *failing) step(do func() error) error {
	if f.n--; f.n != 0 {
		return do()
	}
	if f.done {
		return errors.Join(do(), errStep)
	}
	return errStep
}

func (f *failing) WriteFact(ctx context.Context, fact backend.Fact) (written backend.Fact, err error) {
	if fact.Store != store.CompactionStore {
		return f.Log.WriteFact(ctx, fact)
	}
	err = f.step(func() (err error) { written, err = f.Log.WriteFact(ctx, fact); return err })
	return written, err
}

func (f *failing) Prune(ctx context.Context, seqs iter.Seq[uint64]) (report backend.PruneReport, err error) {
	for range seqs {
		err = f.step(func() (err error) { report, err = f.Log.Prune(ctx, seqs); return err })
		return report, err
	}
	return f.Log.Prune(ctx, seqs)
}

// Whatever step of a compaction a process dies at, the next compaction of another makes all engines
// show what the log holds.
func TestCompactionsThatBreakOff(t *testing.T) {
	for step := 1; step <= 3; step++ {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprint(step, done), func(t *testing.T) {
				l := newLog(t)
				witness := openEngine(t, l)
				for n := range 10 {
					_, err := witness.Write(t.Context(), fact(fmt.Sprint("k", n%2), n))
					require.NoError(t, err)
				}
				agree := func(e *store.Engine) {
					require.NoError(t, e.Sync(t.Context()))
					facts := []backend.Fact{}
					for f, err := range l.Replay(t.Context(), 0) {
						require.NoError(t, err)
						if f.Store == "s" {
							facts = append(facts, f)
						}
					}
					require.Equal(t, facts, factsOf(e.Facts("s", 0)))
				}
				dying := openEngine(t, &failing{l, step, done})
				require.NoError(t, dying.Retain("s", store.Retention{Versions: 2}))
				compactions, err := dying.Compact(t.Context())
				require.ErrorIs(t, err, errStep)
				require.Empty(t, compactions)
				if step == 1 || step == 2 && !done {
					agree(witness) // nothing is pruned, and nothing dropped
				}
				require.NoError(t, dying.Close())

				for range 2 {
					next := openEngine(t, l)
					require.NoError(t, next.Retain("s", store.Retention{Versions: 3}))
					before := next.Head()
					_, err = next.Compact(t.Context())
					require.NoError(t, err)
					for _, e := range []*store.Engine{witness, next, openEngine(t, l)} {
						agree(e)
					}
					if before == witness.Head() {
						return // there was nothing to do any more
					}
				}
				require.Fail(t, "a compaction is not finished")
			})
		}
	}
}

func TestCompactingReadOnly(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	for n := range 3 {
		_, err := e.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
	}
	reader, err := store.Open(t.Context(), l, store.Options{ReadOnly: true})
	require.NoError(t, err)
	defer reader.Close()
	require.NoError(t, reader.Retain("s", store.Retention{Versions: 1}))
	require.Len(t, reader.PlanCompaction(), 1)
	_, err = reader.Compact(t.Context())
	require.ErrorIs(t, err, store.ErrReadOnly)
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(3), stats.Facts, "nothing is pruned")
}

// A receipt that makes no sense is passed over.
func TestReceiptsThatAreNone(t *testing.T) {
	e := openEngine(t, newLog(t))
	_, err := e.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	for _, value := range []string{
		`7`, `{"store":"s","pending":true,"seqs":[[1,18446744073709551615]]}`, `{"store":"s","pending":true,"seqs":[[1,1],[1,1]]}`,
		`{"store":"s","pending":true,"seqs":[[0,0]]}`, `{"store":"s","pending":true,"seqs":7}`, `{"store":"igniter.compactions","seqs":[[1,9]]}`,
	} {
		_, err := e.Write(t.Context(), backend.Fact{Store: store.CompactionStore, Key: "s", Value: []byte(value)})
		require.NoError(t, err)
	}
	head := e.Head()
	_, err = e.Compact(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, e.Head())
	require.Len(t, factsOf(e.Facts("s", 0)), 1)
}
