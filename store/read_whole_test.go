// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func (o oracle) last() uint64 {
	if len(o) == 0 {
		return 0
	}
	return o[len(o)-1].Seq
}

// through returns the facts through a seq.
func (o oracle) through(seq uint64) oracle {
	n, _ := slices.BinarySearchFunc(o, seq+1, func(f backend.Fact, seq uint64) int { return cmp.Compare(f.Seq, seq) })
	return o[:n:n]
}

// current returns the values of the keys of a store, in the order of their first facts.
func (o oracle) current(name string) (all []backend.Fact) {
	latest := map[string]backend.Fact{}
	var keys []string
	for _, f := range o {
		if f.Store == name {
			if _, ok := latest[f.Key]; !ok {
				keys = append(keys, f.Key)
			}
			latest[f.Key] = f
		}
	}
	for _, key := range keys {
		if f := latest[key]; !f.Retraction() {
			all = append(all, f)
		}
	}
	return all
}

func (o oracle) open() []backend.Fact {
	return slices.DeleteFunc(o.current("docs"), func(f backend.Fact) bool { return decodeDoc(f).Status != "open" })
}

func textOf(f backend.Fact) string { return fmt.Sprintf("%d %s=%s", f.Seq, f.Key, f.Value) }

func textsOf(facts []backend.Fact) []string {
	all := []string{}
	for _, f := range facts {
		all = append(all, textOf(f))
	}
	return all
}

func texts(records iter.Seq2[store.Record, error]) []string { return textsOf(factsOf(records)) }

// drawBatch returns a batch of some facts of few keys.
func drawBatch(draw *rand.Rand, keys int) (b backend.Batch) {
	for range 1 + draw.IntN(5) {
		f := backend.Fact{Store: "docs", Key: fmt.Sprint("k", draw.IntN(keys))}
		f.Value = fmt.Appendf(nil, `{"n":%d,"status":%q,"owner":%s}`, draw.IntN(9), []string{"open", "done", "late"}[draw.IntN(3)], []string{"7", `"7"`, `"ana"`}[draw.IntN(3)])
		switch draw.IntN(6) {
		case 0:
			f.Value = []byte("null")
		case 1:
			f.Store = "people"
		}
		b.Facts = append(b.Facts, f)
	}
	return b
}

// While a batch is applied, after each of its facts, every way to read shows the state before the batch, without
// waiting for the writer; afterwards it shows the state after the batch.
func TestReadsInTheMidstOfABatch(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	for _, follows := range []bool{false, true} {
		l := newLog(t)
		var midst func()
		r := newReader(t, l, store.Options{}, func(store.Record) {
			if do := midst; do != nil {
				midst = nil // what the reads ask is not in the midst
				do()
				midst = do
			}
		})
		writer := r.Engine
		if follows {
			writer = openEngine(t, l)
		}
		o, err := writer.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{
			{Store: "docs", Key: "k0", Value: []byte(`{"status":"open"}`)}, {Store: "people", Key: "7", Value: []byte("1")},
		}})
		require.NoError(t, err)
		require.NoError(t, r.WaitFor(t.Context(), 2))
		r.warm()
		check := func(where string) {
			for name, w := range ways {
				want := w.want(oracle(o))
				require.Equal(t, want, w.read(r, store.Moment{}), "%s: %s", name, where)
				if !w.now {
					require.Equal(t, want, w.read(r, store.AsOf(r.Head())), "%s as of the head: %s", name, where)
				}
			}
			for _, f := range o {
				found, err := r.FactByID(f.ID)
				require.NoError(t, err)
				require.Equal(t, f, found.Fact())
			}
		}
		for n := range 60 {
			b := drawBatch(draw, 4+n/10)
			for i := range b.Facts {
				b.Facts[i].ID = fmt.Sprint(n, "-", i)
			}
			n := 0
			midst = func() {
				n++
				done := make(chan struct{})
				go func() {
					defer close(done)
					check(fmt.Sprintf("after %d of %d facts", n, len(b.Facts)))
					for _, f := range b.Facts {
						_, err := r.FactByID(f.ID)
						require.ErrorIs(t, err, store.ErrNotFound)
					}
				}()
				<-done
			}
			facts, err := writer.WriteBatch(t.Context(), b)
			require.NoError(t, err)
			require.NoError(t, r.WaitFor(t.Context(), facts[len(facts)-1].Seq))
			midst = nil
			o = append(o, facts...)
			check("after the batch")
		}
	}
}

// While two engines write batches, every read sees one state between two batches: not before the head at its begin,
// and not after the head at its end. The state as of a head never changes.
func TestReadsWhileBatchesAreWritten(t *testing.T) {
	const writers, batches = 2, 150
	type seen struct {
		way        string
		from, last uint64 // the heads before and after
		at         store.Moment
		got        []string
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l := newLog(t)
	var readers []*reader
	for _, keep := range []int{0, 0, 1} {
		r := newReader(t, l, store.Options{KeepVersions: keep}, func(store.Record) { runtime.Gosched() })
		readers = append(readers, r)
	}
	var mu sync.Mutex
	var o oracle
	borders := map[uint64]bool{0: true}
	var all []seen
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writing, reading sync.WaitGroup
	for i, r := range readers {
		names := slices.Sorted(maps.Keys(ways))
		for g := range 2 {
			reading.Go(func() {
				draw := rand.New(rand.NewPCG(seed, uint64(10*i+g)))
				for ctx.Err() == nil {
					name := names[draw.IntN(len(names))]
					s := seen{way: name, from: r.Head()}
					if !ways[name].now && draw.IntN(2) == 0 {
						s.at = store.AsOf(uint64(max(0, int(s.from)-draw.IntN(3)*draw.IntN(20))))
					}
					s.got = ways[name].read(r, s.at)
					s.last = r.Head()
					mu.Lock()
					all = append(all, s)
					mu.Unlock()
				}
			})
		}
	}
	for w := range writers {
		writing.Go(func() {
			draw := rand.New(rand.NewPCG(seed, uint64(100+w)))
			for n := range batches {
				facts, err := readers[w].WriteBatch(t.Context(), drawBatch(draw, 4+n/10))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				o = append(o, facts...)
				borders[facts[len(facts)-1].Seq] = true
				mu.Unlock()
			}
		})
	}
	writing.Wait()
	for _, r := range readers {
		require.NoError(t, r.Sync(t.Context()))
	}
	cancel()
	reading.Wait()
	slices.SortFunc(o, func(a, b backend.Fact) int { return cmp.Compare(a.Seq, b.Seq) })
	require.Equal(t, logged(t, l), []backend.Fact(o))
	t.Logf("%d reads of %d facts", len(all), len(o))

	type state struct {
		way string
		seq uint64
	}
	known := map[state]string{}
	want := func(way string, seq uint64) string {
		s := state{way, seq}
		if _, ok := known[s]; !ok {
			known[s] = fmt.Sprint(ways[way].want(o.through(seq)))
		}
		return known[s]
	}
	for _, s := range all {
		require.True(t, borders[s.from] && borders[s.last], "a head is inside a batch: %d, %d", s.from, s.last)
		got := fmt.Sprint(s.got)
		if s.at != (store.Moment{}) {
			require.Equal(t, want(s.way, s.at.Seq), got, "%s as of seq %d", s.way, s.at.Seq)
			continue
		}
		ok := false
		for seq := s.from; seq <= s.last && !ok; seq++ {
			ok = borders[seq] && want(s.way, seq) == got
		}
		require.True(t, ok, "%s between seqs %d and %d saw %s, and not %s or %s", s.way, s.from, s.last, got, want(s.way, s.from), want(s.way, s.last))
	}
}
