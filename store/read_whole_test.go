// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A reader reads one engine in every way that there is.
type reader struct {
	*store.Engine
	open   *store.Scope
	status *store.Index
	owner  *store.Relation
	fold   *store.Fold[map[string]int]
}

// newReader returns a reader whose scope calls match while a fact of docs is applied.
func newReader(t *testing.T, b backend.Backend, opts store.Options, match func(store.Record)) *reader {
	e, err := store.Open(t.Context(), b, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	r := &reader{Engine: e}
	r.open, err = e.Scope("docs", "open", store.Filter{Match: func(r store.Record, value json.RawMessage) bool {
		match(r)
		return strings.Contains(string(value), `"open"`)
	}})
	require.NoError(t, err)
	r.status, err = e.Index("docs", "status")
	require.NoError(t, err)
	r.owner, err = e.Relation("people", "docs", "owner")
	require.NoError(t, err)
	r.fold = store.NewFold(e, map[string]int{}, func(n map[string]int, r store.Record) map[string]int {
		n[r.Store()]++
		return n
	}, "docs", "people")
	return r
}

// warm builds what first reads build, under the engine's lock.
func (r *reader) warm() {
	for _, w := range ways {
		w.read(r, store.Moment{})
	}
	_, _ = r.FactByID("none")
}

// A way is one way to read one state of the log. want computes the expected result from all facts of the state.
type way struct {
	read func(r *reader, at store.Moment) []string
	want func(o oracle) []string
	now  bool // it reads the present only
}

var ways = map[string]way{
	"list": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.List(context.Background(), "docs", store.Query{At: at}))
		},
		want: func(o oracle) []string { return textsOf(o.current("docs")) },
	},
	"list by key": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.List(context.Background(), "docs", store.Query{At: at, ByKey: true, Descending: true}))
		},
		want: func(o oracle) []string {
			all := o.current("docs")
			slices.SortFunc(all, func(a, b backend.Fact) int { return cmp.Compare(b.Key, a.Key) })
			return textsOf(all)
		},
	},
	"list by field": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.List(context.Background(), "docs", store.Query{At: at, OrderBy: "n"}))
		},
		want: func(o oracle) []string {
			all := o.current("docs")
			slices.SortFunc(all, func(a, b backend.Fact) int {
				return cmp.Or(cmp.Compare(decodeDoc(a).N, decodeDoc(b).N), cmp.Compare(a.Key, b.Key))
			})
			return textsOf(all)
		},
	},
	"scope": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.open.List(context.Background(), store.Query{At: at}))
		},
		want: func(o oracle) []string { return textsOf(o.open()) },
	},
	"scope descending": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.open.List(context.Background(), store.Query{At: at, Descending: true}))
		},
		want: func(o oracle) []string {
			all := o.open()
			slices.Reverse(all)
			return textsOf(all)
		},
	},
	"scope by key": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.open.List(context.Background(), store.Query{At: at, ByKey: true}))
		},
		want: func(o oracle) []string {
			all := o.open()
			slices.SortFunc(all, func(a, b backend.Fact) int { return cmp.Compare(a.Key, b.Key) })
			return textsOf(all)
		},
	},
	"scope page": {
		read: func(r *reader, at store.Moment) (all []string) {
			found := must(r.open.Query(context.Background(), store.Query{At: at, Limit: 2}))
			for _, r := range found.Records {
				all = append(all, textOf(r.Fact()))
			}
			return append(all, fmt.Sprint(found.Next != ""))
		},
		want: func(o oracle) []string {
			all := o.open()
			return append(textsOf(all[:min(2, len(all))]), fmt.Sprint(len(all) > 2))
		},
	},
	"scope count": {
		read: func(r *reader, _ store.Moment) []string { return []string{fmt.Sprint(r.open.Count())} },
		want: func(o oracle) []string { return []string{fmt.Sprint(len(o.open()))} },
		now:  true,
	},
	"index": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.status.List(context.Background(), "open", at))
		},
		want: func(o oracle) []string { return textsOf(o.open()) },
	},
	"index values": {
		read: func(r *reader, _ store.Moment) []string { return slices.Sorted(r.status.Values()) },
		want: func(o oracle) []string {
			found := map[string]bool{}
			for _, f := range o.current("docs") {
				found[fmt.Sprintf("%q", decodeDoc(f).Status)] = true
			}
			return slices.Sorted(maps.Keys(found))
		},
		now: true,
	},
	"relation": {
		read: func(r *reader, at store.Moment) []string { return texts(r.owner.Many(context.Background(), "7", at)) },
		want: func(o oracle) []string {
			return textsOf(slices.DeleteFunc(o.current("docs"), func(f backend.Fact) bool {
				owner := decodeDoc(f).Owner
				return owner != "7" && owner != 7.0
			}))
		},
	},
	"facts": {
		read: func(r *reader, _ store.Moment) []string { return texts(r.Facts(context.Background(), "docs", 0)) },
		want: func(o oracle) []string {
			return textsOf(o.where(func(f backend.Fact) bool { return f.Store == "docs" }))
		},
		now: true,
	},
	"history": {
		read: func(r *reader, at store.Moment) []string {
			return texts(r.History(context.Background(), "docs", "k1", at))
		},
		want: func(o oracle) []string {
			return textsOf(o.where(func(f backend.Fact) bool { return f.Store == "docs" && f.Key == "k1" }))
		},
	},
	"latest": {
		read: func(r *reader, at store.Moment) []string {
			found, _, err := r.GetAt(context.Background(), "docs", "k2", at)
			return []string{textOf(found.Fact()), fmt.Sprint(err)}
		},
		want: func(o oracle) []string {
			var latest backend.Fact
			if f := o.at("docs", "k2", store.Moment{}); f != nil {
				latest = *f
			}
			return []string{textOf(latest), "<nil>"}
		},
	},
	"fold": {
		read: func(r *reader, _ store.Moment) (all []string) {
			err := r.fold.Read(context.Background(), func(n map[string]int, seq uint64) { all = append(all, fmt.Sprint(n, seq)) })
			return append(all, fmt.Sprint(err))
		},
		want: func(o oracle) []string {
			n := map[string]int{}
			for _, f := range o {
				n[f.Store]++
			}
			return []string{fmt.Sprint(n, o.last()), "<nil>"}
		},
		now: true,
	},
	"stores": {
		read: func(r *reader, _ store.Moment) []string { return r.Stores() },
		want: func(o oracle) []string {
			found := map[string]bool{}
			for _, f := range o {
				found[f.Store] = true
			}
			return slices.Sorted(maps.Keys(found))
		},
		now: true,
	},
}

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
