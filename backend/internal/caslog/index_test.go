// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// wantSound fails the test unless a log holds the facts, and knows their IDs, keys and times: it writes all of them again,
// and checks each key.
func wantSound(t testing.TB, l *Log, facts []backend.Fact, last uint64) {
	t.Helper()
	require.Equal(t, facts, replay(t, l))
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(len(facts)), stats.Facts)
	require.Equal(t, last, stats.LastSeq)
	latest := map[[2]string]string{}
	for i, f := range facts {
		again, err := l.WriteFact(t.Context(), backend.Fact{ID: f.ID, Store: f.Store, Key: f.Key, Value: f.Value})
		require.NoError(t, err)
		require.Equal(t, f, again)
		latest[[2]string{f.Store, f.Key}] = f.ID
		if i%50 == 0 {
			require.Equal(t, facts[i+1:], append([]backend.Fact{}, replayAfter(t, l, f.Seq)...))
		}
	}
	for key, id := range latest {
		require.NoError(t, l.Write(t.Context(), backend.Batch{Expect: []backend.Expect{{Store: key[0], Key: key[1], ID: id}}})[0].Err)
	}
	require.NoError(t, l.Write(t.Context(), backend.Batch{Expect: []backend.Expect{{Store: "s0", Key: "never written"}}})[0].Err)
}

// openIndexed opens a log, and checks that it used an index through the position pos; 0: no index.
func openIndexed(t testing.TB, s *store, pos uint64) *Log {
	t.Helper()
	l, err := Open(t.Context(), s.port(nil), Options{})
	require.NoError(t, err)
	require.Equal(t, pos, l.loaded)
	return l
}

// TestIndex opens a log with an index that was written before and after a prune, and in the middle of one.
func TestIndex(t *testing.T) {
	t.Parallel()
	s := newStore(backend.LogID{1}, nil)
	l := openIndexed(t, s, 0)
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	require.Empty(t, s.blobs, "an empty log has no index")
	facts := writeBatches(t, l, 3, 1, 400, 1, 2)
	odd := backend.Fact{ID: "odd \x00 \U0001F600", Store: "s \x00", Key: "", Value: []byte("1")}
	f, err := l.WriteFact(t.Context(), odd)
	require.NoError(t, err)
	uuid, err := l.WriteFact(t.Context(), backend.Fact{ID: backend.NewLogID().String(), Store: "s0", Key: "u", Value: []byte("1")})
	require.NoError(t, err)
	facts = append(facts, f, uuid)
	last := uuid.Seq
	for round := range 5 {
		require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		units := len(s.entries)
		require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		require.Len(t, s.entries, units, "there was nothing new")
		require.LessOrEqual(t, len(s.blobs), 2)
		opened := openIndexed(t, s, uint64(units-1))
		wantSound(t, opened, facts, last)
		var gone []backend.Fact
		switch round {
		case 0:
			gone = []backend.Fact{facts[1], facts[7], facts[len(facts)-1]}
		case 1:
			gone = slices.Clone(facts[:1])
		case 2:
			gone = slices.Clone(facts[10:300])
		case 3:
			gone = []backend.Fact{facts[len(facts)-1]}
		}
		if len(gone) > 0 {
			pruneSome(t, opened, gone, nil) // facts after the index
			facts = slices.DeleteFunc(facts, func(f backend.Fact) bool {
				return slices.ContainsFunc(gone, func(g backend.Fact) bool { return g.Seq == f.Seq })
			})
		}
		more, err := opened.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("more", round), Store: "s1", Key: "k1", Value: []byte("2")})
		require.NoError(t, err)
		facts, last = append(facts, more), more.Seq
		again := openIndexed(t, s, uint64(units-1))
		wantSound(t, again, facts, last)
		require.NoError(t, again.Close())
		require.NoError(t, opened.Close())
	}
	wantSound(t, l, facts, last)
	require.NoError(t, l.Close())
}

// TestIndexDamaged changes the blobs of indexes, and the units that name them. A log opened afterwards has the same facts,
// IDs and keys: it uses the previous index, or none.
func TestIndexDamaged(t *testing.T) {
	t.Parallel()
	blob := func(change func([]byte) []byte) func(*testing.T, *store, string, string) {
		return func(_ *testing.T, s *store, name, _ string) {
			b := s.blobs[name]
			b.data = change(slices.Clone(b.data))
			s.blobs[name] = b
		}
	}
	cases := map[string]func(t *testing.T, s *store, name, former string){
		"removed": func(_ *testing.T, s *store, name, _ string) { delete(s.blobs, name) },
		"empty":   blob(func([]byte) []byte { return nil }),
		"longer":  blob(func(b []byte) []byte { return append(b, 0) }),
		"doubled": blob(func(b []byte) []byte { return append(b, b...) }),
		"foreign": blob(func([]byte) []byte { return []byte("IGNIDX1\nhello") }),
		"later":   blob(func(b []byte) []byte { return append([]byte("IGNIDX2\n"), b[8:]...) }),
		"older":   func(_ *testing.T, s *store, name, former string) { s.blobs[name] = s.blobs[former] },
	}
	for _, at := range []float64{0, 0.1, 0.3, 0.6, 0.9, 0.999} {
		cases[fmt.Sprintf("flipped at %v", at)] = blob(func(b []byte) []byte { b[int(at*float64(len(b)))] ^= 16; return b })
		cases[fmt.Sprintf("cut at %v", at)] = blob(func(b []byte) []byte { return b[:int(at*float64(len(b)))] })
	}
	for name, harm := range cases {
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, both %t", name, both), func(t *testing.T) {
				t.Parallel()
				s := newStore(backend.LogID{1}, nil)
				l := openIndexed(t, s, 0)
				facts := writeBatches(t, l, 3, 40, 1)
				require.NoError(t, l.WriteSnapshot(t.Context(), 0))
				former := l.index
				pruneSome(t, l, facts[2:4], nil)
				facts = slices.Delete(facts, 2, 4)
				require.NoError(t, l.WriteSnapshot(t.Context(), 0))
				s.mu.Lock()
				if harm(t, s, l.index.Name, former.Name); both {
					delete(s.blobs, former.Name)
				}
				s.mu.Unlock()
				from := former.Pos
				if both {
					from = 0
				}
				opened := openIndexed(t, s, from)
				wantSound(t, opened, facts, 44)
				// The next index is right although the last one is not.
				more, err := l.WriteFact(t.Context(), backend.Fact{ID: "more", Store: "s1", Key: "k1", Value: []byte("2")})
				require.NoError(t, err)
				require.NoError(t, l.WriteSnapshot(t.Context(), 0))
				again := openIndexed(t, s, l.index.Pos)
				wantSound(t, again, append(facts, more), 45)
				for _, l := range []*Log{l, opened, again} {
					require.NoError(t, l.Close())
				}
			})
		}
	}
}

// TestIndexLies publishes indexes that are whole but wrong, as a faulty program might. Comparing them with the log exposes
// them.
func TestIndexLies(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(*index){
		"the hash is another":        func(x *index) { x.hash[3] ^= 1 },
		"the position is another":    func(x *index) { x.pos, x.at = x.pos-1, x.at-1 },
		"a seq too many":             func(x *index) { x.held = append(x.held, [2]uint64{60, 60}); x.seq = 60 },
		"nothing was pruned":         func(x *index) { x.pruned = &pruned{} },
		"more was pruned":            func(x *index) { x.pruned = x.pruned.with(&note{Erase: seqrange.Set{{2, 2}}}) },
		"a pruned fact is held":      func(x *index) { x.held = seqrange.Of(append(x.held, [2]uint64{3, 3})...) },
		"the log is another":         func(x *index) { x.log = backend.LogID{7} },
		"a key's latest is not held": func(x *index) { x.held = x.held.Without(seqrange.Set{{44, 44}}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(backend.LogID{1}, nil)
			l := openIndexed(t, s, 0)
			facts := writeBatches(t, l, 3, 40, 1)
			pruneSome(t, l, facts[2:3], nil)
			facts = slices.Delete(facts, 2, 3)
			x, err := l.capture(t.Context())
			require.NoError(t, err)
			lie(x)
			u, err := l.putIndex(t.Context(), x, &indexUnit{})
			require.NoError(t, err)
			err = l.commit(t.Context(), func() (*draft, error) { return l.besideDraft(Index, u) })
			require.NoError(t, err)
			require.NoError(t, l.Close())
			opened := openIndexed(t, s, 0)
			wantSound(t, opened, facts, 44)
			require.NoError(t, opened.Close())
		})
	}
}

// TestIndexCrash ends a process at each step of writing an index, before or after the step was done. Running processes, and
// processes that open the log, have all facts, and the next index is right.
func TestIndexCrash(t *testing.T) { crashEach(t, crashIndex, 16, failed, lost, late, early) }

func crashIndex(t *testing.T, how fault, step int) (crashed bool) {
	s := newStore(backend.LogID{1}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var steps atomic.Int64
	var counting atomic.Bool
	dying, err := Open(t.Context(), s.port(func(_ context.Context, op string) fault {
		if !counting.Load() || !slices.Contains([]string{"append", "put", "blob", "list", "unblob"}, op) {
			return fine
		}
		switch n := int(steps.Add(1)); {
		case n < step:
			return fine
		case n == step:
			cancel()
			if op == "append" && how == early {
				return lost
			}
			return how
		}
		return failed
	}), Options{})
	require.NoError(t, err)
	other := openIndexed(t, s, 0)
	facts := writeBatches(t, dying, 3, 1, 4, 1, 2)
	for i := range 2 { // so that there is one to remove
		require.NoError(t, dying.WriteSnapshot(t.Context(), 0))
		facts = append(facts, writeNamed(t, dying, fmt.Sprint("between", i)))
	}
	counting.Store(true)
	_ = dying.WriteSnapshot(ctx, 0)
	crashed = ctx.Err() != nil
	counting.Store(false)
	require.NoError(t, dying.Close())
	time.Sleep(time.Second) // late appends have arrived

	opened, err := Open(t.Context(), s.port(nil), Options{})
	require.NoError(t, err)
	require.NotZero(t, opened.loaded)
	for _, l := range []*Log{other, opened} {
		wantSound(t, l, facts, uint64(len(facts)))
	}
	facts = append(facts, writeNamed(t, opened, "after"))
	require.NoError(t, other.WriteSnapshot(t.Context(), 0))
	again := openIndexed(t, s, other.index.Pos)
	wantSound(t, again, facts, uint64(len(facts)))
	for name, b := range s.blobs {
		s.blobs[name] = memoryBlob{b.data, b.time.Add(-2 * blobAge)}
	}
	writeNamed(t, again, "later")
	require.NoError(t, again.WriteSnapshot(t.Context(), 0))
	require.Len(t, s.blobs, 2, "what the crash left is removed")
	for _, l := range []*Log{other, opened, again} {
		require.NoError(t, l.Close())
	}
	return crashed
}

func writeNamed(t testing.TB, l *Log, id string) backend.Fact {
	f, err := l.WriteFact(t.Context(), backend.Fact{ID: id, Store: "s1", Key: "k1", Value: []byte("2")})
	require.NoError(t, err)
	return f
}

// TestIndexByItself: the log writes indexes on its own, and only one of its processes does so.
func TestIndexByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(backend.LogID{1}, nil)
		var logs [3]*Log
		for i := range logs {
			var err error
			logs[i], err = open(t.Context(), s.port(nil), Options{}, 100)
			require.NoError(t, err)
		}
		var facts []backend.Fact
		indexes := 0
		for n := range 5 {
			batch := make([]backend.Fact, 60)
			for i := range batch {
				batch[i] = backend.Fact{ID: fmt.Sprint(n, "-", i), Store: "s0", Key: fmt.Sprint(i), Value: []byte("1")}
			}
			w := logs[n%3].Write(t.Context(), backend.Batch{Facts: batch})[0]
			require.NoError(t, w.Err)
			facts = append(facts, w.Facts...)
			time.Sleep(2 * max(pulse, indexPause))
		}
		for _, e := range s.entries {
			if e.Kind == Index {
				indexes++
			}
		}
		require.Equal(t, 2, indexes, "after 120 and after 240 facts")
		opened := openIndexed(t, s, logs[0].index.Pos)
		wantSound(t, opened, facts, 300)
		for _, l := range append(logs[:], opened) {
			require.NoError(t, l.Close())
		}
	})
}

// TestIndexAndPurge: a log that is opened with an index, and an open log, find that a unit before the index was removed.
func TestIndexAndPurge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(backend.LogID{1}, nil)
		l := openIndexed(t, s, 0)
		facts := writeBatches(t, l, 2, 1, 5, 1, 1)
		pruneSome(t, l, facts[:1], nil)
		require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		openIndexed(t, s, l.index.Pos).Close()
		s.remove(3)
		const words = "seq 4 to 8, at position 3, were taken away: seq 3 is followed by seq 9"
		_, err := Open(t.Context(), s.port(nil), Options{})
		require.ErrorIs(t, err, backend.ErrCorrupt)
		require.ErrorContains(t, err, words)
		time.Sleep(2 * pulse)
		_, err = l.WriteFact(t.Context(), backend.Fact{ID: "x", Store: "s", Key: "k", Value: []byte("1")})
		require.ErrorIs(t, err, backend.ErrCorrupt)
		require.ErrorContains(t, err, words)
		require.NoError(t, l.Close())
	})
}

// TestOpenAgain opens a log with an index at a place where each call fails at first.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(backend.LogID{1}, nil)
		l := openIndexed(t, s, 0)
		facts := writeBatches(t, l, 2, 1, 5)
		require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		require.NoError(t, l.Close())
		tries := map[string]int{}
		var mu sync.Mutex
		opened, err := Open(t.Context(), s.port(func(_ context.Context, op string) fault {
			mu.Lock()
			defer mu.Unlock()
			if tries[op]++; tries[op] <= 2 && op != "blob" { // a failed blob would be passed over
				return failed
			}
			return fine
		}), Options{})
		require.NoError(t, err)
		require.NotZero(t, opened.loaded)
		require.Equal(t, facts, replay(t, opened))
		require.NoError(t, opened.Close())
	})
}
