// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestModel lets two processes write, rewrite, prune, read, write indexes, and reopen the log, one call after the other.
// Their place fails, loses answers, appends late, skips units, ends reads early and damages blobs. The test compares every
// result with a list of facts.
func TestModel(t *testing.T) {
	t.Parallel()
	first := uint64(1)
	if text := os.Getenv("IGNITER_SEED"); text != "" {
		first, _ = strconv.ParseUint(text, 10, 64)
	}
	runs, indexed := 60*soak(), 0
	for n := range uint64(runs) {
		seed := first + n
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("IGNITER_SEED=%d", seed)
				}
			}()
			indexed += runModel(t, seed)
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d runs with seeds from %d; a log was opened %d times with an index", runs, first, indexed)
	require.Greater(t, indexed, runs)
}

func runModel(t *testing.T, seed uint64) (indexed int) {
	s := newStore(backend.LogID{1}, nil)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 7))
	number := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	hook := func(_ context.Context, op string) fault {
		if op == "append" || op == "deliver" { // other calls may hold a lock, which stops simulated time
			time.Sleep(time.Duration(number(3)) * time.Millisecond)
		}
		switch n := number(100); {
		case op == "late":
			time.Sleep(time.Duration(number(50)) * time.Millisecond)
		case op == "append" && n < 20:
			return []fault{lost, late, failed}[n%3]
		case (op == "read" || op == "deliver") && n < 12:
			return []fault{skip, early, failed}[n%3]
		case (op == "put" || op == "blob") && n < 30:
			return []fault{lost, early, failed}[n%3]
		case op != "" && n < 3:
			return failed
		}
		return fine
	}
	open := func() *Log {
		for {
			l, err := Open(t.Context(), s.port(hook), Options{})
			if err == nil {
				if l.loaded != 0 {
					indexed++
				}
				return l
			}
			require.ErrorIs(t, err, backend.ErrUnavailable)
		}
	}
	logs := []*Log{open(), open()}
	defer func() {
		for _, l := range logs {
			require.NoError(t, l.Close())
		}
		time.Sleep(time.Second) // late appends have arrived
	}()
	var facts []backend.Fact // that the log holds
	var last uint64
	pruned := map[string]bool{} // stores
	for op := range 60 {
		i := number(2)
		l := logs[i]
		switch n := number(12); {
		case n == 10: // write an index
			if err := l.WriteSnapshot(t.Context(), 0); err != nil {
				require.ErrorIs(t, err, backend.ErrUnavailable)
			}
		case n == 11: // damage a blob
			s.mu.Lock()
			for _, name := range slices.Sorted(maps.Keys(s.blobs)) {
				b := s.blobs[name]
				if damaged := slices.Clone(b.data); number(2) == 0 {
					damaged[number(len(damaged))] ^= 1 << number(8)
					s.blobs[name] = memoryBlob{damaged, b.time}
				}
			}
			s.mu.Unlock()
		case n < 4: // write a batch of new facts
			batch := make([]backend.Fact, 1+number(5))
			latest := map[string]string{}
			for _, f := range facts {
				latest[f.Store+f.Key] = f.ID
			}
			for j := range batch {
				batch[j] = backend.Fact{ID: fmt.Sprintf("%d-%d", op, j), Store: fmt.Sprint("s", number(2)), Key: fmt.Sprint("k", number(4)), Value: fmt.Appendf(nil, `"value %d-%d"`, op, j)}
			}
			w := l.Write(t.Context(), backend.Batch{Facts: batch, Expect: []backend.Expect{{Store: batch[0].Store, Key: batch[0].Key, ID: latest[batch[0].Store+batch[0].Key]}}})[0]
			require.NoError(t, w.Err)
			for j, f := range w.Facts {
				require.Equal(t, last+1, f.Seq)
				require.Equal(t, batch[j].ID, f.ID)
				require.Equal(t, latest[f.Store+f.Key], f.Causation)
				latest[f.Store+f.Key], last = f.ID, f.Seq
			}
			facts = append(facts, w.Facts...)
		case n < 5 && len(facts) > 0: // write a fact again
			f := facts[number(len(facts))]
			got, err := l.WriteFact(t.Context(), backend.Fact{ID: f.ID, Store: f.Store, Key: f.Key, Value: f.Value})
			require.NoError(t, err)
			require.Equal(t, f, got)
		case n < 7 && len(facts) > 0: // prune
			var gone []backend.Fact
			for range 1 + number(6) {
				gone = append(gone, facts[number(len(facts))])
			}
			slices.SortFunc(gone, func(a, b backend.Fact) int { return int(int64(a.Seq) - int64(b.Seq)) })
			gone = slices.CompactFunc(gone, func(a, b backend.Fact) bool { return a.Seq == b.Seq })
			report, err := l.Prune(t.Context(), seqsOf(gone), backend.Horizon{Seq: 1})
			require.NoError(t, err)
			require.LessOrEqual(t, report.Pruned, uint64(len(gone)), "what an answer that was lost has pruned may be missing in the report")
			for _, f := range gone {
				pruned[f.Store] = true
			}
			facts = slices.DeleteFunc(facts, func(f backend.Fact) bool {
				return slices.ContainsFunc(gone, func(g backend.Fact) bool { return g.Seq == f.Seq })
			})
		case n < 8: // open it again
			require.NoError(t, l.Close())
			logs[i] = open()
		default:
			after := uint64(number(int(last) + 1))
			l.mu.Lock()
			if number(2) == 0 {
				l.recent = recent{} // so that it reads the place
			}
			l.mu.Unlock()
			want := slices.DeleteFunc(slices.Clone(facts), func(f backend.Fact) bool { return f.Seq <= after })
			require.Equal(t, append([]backend.Fact{}, want...), append([]backend.Fact{}, replayAfter(t, l, after)...))
			stats, err := l.Stats(t.Context())
			require.NoError(t, err)
			require.Equal(t, uint64(len(facts)), stats.Facts)
			require.Equal(t, last, stats.LastSeq)
			require.Len(t, stats.Horizons, len(pruned))
		}
	}
	return indexed
}
