// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// writeBatches writes batches of facts, each as a unit. Their values have a word for which tests search later.
func writeBatches(t testing.TB, l *Log, sizes ...int) []backend.Fact {
	var all []backend.Fact
	for b, n := range sizes {
		batch := make([]backend.Fact, n)
		for i := range batch {
			batch[i] = backend.Fact{ID: fmt.Sprintf("f%d-%d", b, i), Store: fmt.Sprintf("s%d", i%2), Key: fmt.Sprintf("k%d", (b+i)%4), Value: fmt.Appendf(nil, `"secret of %d-%d."`, b, i)}
		}
		w := l.Write(t.Context(), backend.Batch{Facts: batch})[0]
		require.NoError(t, w.Err)
		all = append(all, w.Facts...)
	}
	return all
}

// TestPruneCrash ends a process at each step of a prune, before or after the step was done. Another process, which runs all
// the time, and one that opens the log afterwards, see either all facts or the result of the prune. Pruning again completes
// the prune.
func TestPruneCrash(t *testing.T) { crashEach(t, crashPrune, 12, failed, lost) }

// crashEach calls crash for each step until a run does not crash, and for each way in which a step can fail.
func crashEach(t *testing.T, crash func(t *testing.T, how fault, step int) (crashed bool), least int, hows ...fault) {
	t.Parallel()
	runs := 0
	for _, how := range hows {
		for step := 1; ; step++ {
			crashed := false
			synctest.Test(t, func(t *testing.T) { crashed = crash(t, how, step) })
			if runs++; !crashed || t.Failed() {
				break
			}
		}
	}
	t.Logf("%d crashes", runs-len(hows))
	require.Greater(t, runs, least)
}

func crashPrune(t *testing.T, how fault, step int) (crashed bool) {
	s := newStore(backend.LogID{1}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var steps atomic.Int64
	var counting atomic.Bool
	dying, err := Open(t.Context(), s.port(func(_ context.Context, op string) fault {
		if !counting.Load() || ctx.Err() == nil && op != "append" && op != "erase" {
			return fine
		}
		switch n := int(steps.Add(1)); {
		case n < step:
			return fine
		case n == step:
			defer cancel()
			if op == "append" {
				return how
			}
			return failed
		}
		return failed
	}), Options{})
	require.NoError(t, err)
	other, err := Open(t.Context(), s.port(nil), Options{})
	require.NoError(t, err)
	log := writeBatches(t, dying, 3, 1, 4, 1, 2)
	keep := backend.Fact{ID: "last", Store: "s0", Key: "k9", Value: []byte("1")}
	last, err := dying.WriteFact(t.Context(), keep)
	require.NoError(t, err)
	pruneSome(t, other, log[2:3], nil) // a part of a unit is already gone
	log = slices.Delete(log, 2, 3)
	require.Equal(t, append(slices.Clone(log), last), replay(t, dying))

	gone := []backend.Fact{log[1], log[2], log[4], log[6], log[7], log[9]}
	left := slices.DeleteFunc(append(slices.Clone(log), last), func(f backend.Fact) bool {
		return slices.ContainsFunc(gone, func(g backend.Fact) bool { return g.Seq == f.Seq })
	})
	counting.Store(true)
	_, err = dying.Prune(ctx, seqsOf(gone), backend.Horizon{})
	crashed = err != nil
	counting.Store(false)
	require.NoError(t, dying.Close())

	opened, err := Open(t.Context(), s.port(nil), Options{})
	require.NoError(t, err)
	got := replay(t, opened)
	if len(got) == len(log)+1 {
		require.Equal(t, append(slices.Clone(log), last), got, "step %d", step)
	} else {
		require.Equal(t, left, got, "step %d", step)
	}
	require.Equal(t, got, replay(t, other))
	pruneSome(t, opened, gone, ctx.Err())
	for _, l := range []*Log{opened, other} {
		require.Equal(t, left, replay(t, l))
		require.Equal(t, left[2:], replayAfter(t, l, left[1].Seq))
		stats, err := l.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(len(left)), stats.Facts)
		require.Equal(t, left[0].Seq, stats.FirstSeq)
		require.Equal(t, last.Seq, stats.LastSeq)
		require.Len(t, stats.Horizons, 2)
		again, err := l.WriteFact(t.Context(), keep)
		require.NoError(t, err)
		require.Equal(t, last, again)
	}
	for _, e := range s.entries {
		for _, f := range append(gone, backend.Fact{Value: []byte("secret of 0-2.")}) {
			require.False(t, bytes.Contains(e.Body, f.Value), "the value %s of a pruned fact is still at position %d", f.Value, e.At)
		}
	}
	require.NoError(t, opened.Close())
	require.NoError(t, other.Close())
	return crashed
}

func seqsOf(facts []backend.Fact) func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for _, f := range facts {
			if !yield(f.Seq) {
				return
			}
		}
	}
}

// pruneSome prunes facts, some of which may already be gone if before is an error.
func pruneSome(t testing.TB, l *Log, facts []backend.Fact, before error) {
	report, err := l.Prune(t.Context(), seqsOf(facts), backend.Horizon{})
	require.NoError(t, err)
	if before == nil && report.Missing > 0 {
		require.Equal(t, uint64(len(facts)), report.Missing, "all or none were gone")
	}
}

func replayAfter(t testing.TB, l *Log, seq uint64) []backend.Fact {
	var facts []backend.Fact
	for p, err := range l.Replay(t.Context(), backend.Range{After: backend.Cursor{Seq: seq}}) {
		require.NoError(t, err)
		facts = append(facts, p.Facts...)
	}
	return facts
}

// TestPruneTogether prunes from two processes at once, while a third one writes.
func TestPruneTogether(t *testing.T) {
	t.Parallel()
	s := newStore(backend.LogID{1}, nil)
	var logs []*Log
	for range 3 {
		l, err := Open(t.Context(), s.port(nil), Options{})
		require.NoError(t, err)
		logs = append(logs, l)
	}
	log := writeBatches(t, logs[0], 5, 5, 5, 5, 5, 5)
	pruning := log
	done := make(chan error, 2)
	pruned := make(chan uint64, 2)
	for i := range 2 {
		go func() {
			total := uint64(0)
			var err error
			for j := range 15 {
				var r backend.PruneReport
				if r, err = logs[i].Prune(t.Context(), seqsOf(pruning[2*j:2*j+1]), backend.Horizon{}); err != nil {
					break
				}
				total += r.Pruned
			}
			pruned <- total
			done <- err
		}()
	}
	for i := range 50 {
		f, err := logs[2].WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("more", i), Store: "s", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		log = append(log, f)
	}
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Equal(t, uint64(15), <-pruned+<-pruned)
	var left []backend.Fact
	for i, f := range log {
		if i >= 30 || i%2 == 1 {
			left = append(left, f)
		}
	}
	for _, l := range logs {
		require.Equal(t, left, replay(t, l))
		require.NoError(t, l.Close())
	}
}
