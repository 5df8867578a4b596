// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// A failing backend fails at the n-th step of a compaction, which is a prune or a write of a receipt, before or
// after it is done.
type failing struct {
	*memory.Log
	n    int // 0: it does not fail any more
	done bool

	pruning func() // called before it prunes; nil: nothing is
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

func (f *failing) Write(ctx context.Context, batches ...backend.Batch) (written []backend.Written) {
	if batches[0].Facts[0].Store != store.CompactionStore {
		return f.Log.Write(ctx, batches...)
	}
	err := f.step(func() error { written = f.Log.Write(ctx, batches...); return written[0].Err })
	if err != nil {
		return backend.Refused(len(batches), err)
	}
	return written
}

func (f *failing) Prune(ctx context.Context, seqs iter.Seq[uint64], h backend.Horizon) (report backend.PruneReport, err error) {
	if f.pruning != nil {
		f.pruning()
	}
	err = f.step(func() (err error) { report, err = f.Log.Prune(ctx, seqs, h); return err })
	return report, err
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
					for _, f := range logged(t, l) {
						if f.Store == "s" {
							facts = append(facts, f)
						}
					}
					require.Equal(t, facts, factsOf(e.Facts(t.Context(), "s", 0)))
				}
				dying := openEngine(t, &failing{Log: l, n: step, done: done})
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

// A compaction that another engine believes to have failed, and that then fails, is finished too.
func TestCompactionsThatSeemToBreakOff(t *testing.T) {
	l := newLog(t)
	witness, other := openEngine(t, l), openEngine(t, l)
	for n := range 10 {
		_, err := witness.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
	}
	dying := openEngine(t, &failing{Log: l, n: 3, pruning: func() {
		require.NoError(t, other.Sync(t.Context()))
		_, err := other.Compact(t.Context())
		require.NoError(t, err)
	}})
	require.NoError(t, dying.Retain("s", store.Retention{Versions: 2}))
	_, err := dying.Compact(t.Context())
	require.ErrorIs(t, err, errStep)
	require.NoError(t, dying.Close())
	require.NoError(t, witness.Sync(t.Context()))
	require.Len(t, factsOf(witness.Facts(t.Context(), "s", 0)), 10)
	for range 2 {
		require.NoError(t, other.Sync(t.Context()))
		_, err = other.Compact(t.Context())
		require.NoError(t, err)
		require.NoError(t, witness.Sync(t.Context()))
		require.Len(t, factsOf(witness.Facts(t.Context(), "s", 0)), 2)
		require.Equal(t, uint64(12), witness.Head(), "what is finished stays so")
	}
}

// A compaction that another engine finishes while only a part of its facts is gone goes on and is finished.
func TestCompactionsFinishedInPart(t *testing.T) {
	l := newLog(t)
	witness, other := openEngine(t, l), openEngine(t, l)
	for n := range 10 {
		_, err := witness.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
	}
	slow := openEngine(t, &failing{Log: l, pruning: func() {
		_, err := l.Prune(t.Context(), slices.Values([]uint64{1, 2}), backend.Horizon{})
		require.NoError(t, err)
		require.NoError(t, other.Sync(t.Context()))
		_, err = other.Compact(t.Context())
		require.NoError(t, err)
	}})
	require.NoError(t, slow.Retain("s", store.Retention{Versions: 1}))
	done, err := slow.Compact(t.Context())
	require.NoError(t, err)
	require.Equal(t, [][2]uint64{{1, 9}}, done[0].Seqs)
	for _, e := range []*store.Engine{witness, other, slow, openEngine(t, l)} {
		require.NoError(t, e.Sync(t.Context()))
		require.Len(t, factsOf(e.Facts(t.Context(), "s", 0)), 1)
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

// An engine ignores a receipt that makes no sense.
func TestInvalidReceipts(t *testing.T) {
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
	require.Len(t, factsOf(e.Facts(t.Context(), "s", 0)), 1)
}
