// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fact(key string, n int) backend.Fact {
	return backend.Fact{Store: "s", Key: key, Value: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func newLog(t testing.TB) *memory.Log {
	l := memory.New(memory.Options{})
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func TestWriteAndRead(t *testing.T) {
	e := openEngine(t, newLog(t))
	first, err := e.Write(t.Context(), backend.Fact{
		Store: "s", Key: "k", Value: []byte(` {"b": 1.0e-07, "a": "\u00e9"} `), ValueHash: "not this",
		ValidTime: time.Unix(5, 0), SchemaVersion: 3, Producer: []byte(`{"who":"me"}`), Derivation: []byte(`["x"]`),
	})
	require.NoError(t, err)
	require.Equal(t, `{"a":"é","b":1.0e-07}`, string(first.Value), "values are written in canonical form")
	require.NotEqual(t, "not this", first.ValueHash)
	require.Len(t, first.ID, 36)
	second, err := e.Write(t.Context(), fact("k", 2))
	require.NoError(t, err)
	require.Equal(t, first.ID, second.Causation)

	r, ok := e.Get("s", "k")
	require.True(t, ok)
	require.Equal(t, second, r.Fact())
	require.Equal(t, second.ID, r.ID())
	require.Equal(t, 2, r.Version())
	require.Equal(t, []backend.Fact{first, second}, factsOf(e.History(t.Context(), "s", "k", store.Moment{})))
	then, ok, _ := e.GetAt(t.Context(), "s", "k", store.Moment{Seq: first.Seq})
	require.True(t, ok)
	for _, pair := range [][2]any{
		{first.Seq, then.Seq()}, {first.ID, then.ID()}, {"s", then.Store()}, {"k", then.Key()}, {first.Value, then.Value()},
		{first.ValueHash, then.ValueHash()}, {"", then.Causation()}, {first.TransactionTime, then.TransactionTime()},
		{first.ValidTime, then.ValidTime()}, {3, then.SchemaVersion()}, {first.Producer, then.Producer()},
		{first.Derivation, then.Derivation()}, {1, then.Version()}, {false, then.Retracted()},
	} {
		require.Equal(t, pair[0], pair[1])
	}

	gone, err := e.Retract(t.Context(), backend.Fact{Store: "s", Key: "k"})
	require.NoError(t, err)
	r, ok = e.Get("s", "k")
	require.False(t, ok)
	require.True(t, r.Retracted())
	require.Equal(t, gone, e.Latest("s", "k").Fact())
	require.Equal(t, uint64(3), e.Head())
	require.Equal(t, []string{"s"}, e.Stores())
}

func TestNothingThere(t *testing.T) {
	e := openEngine(t, newLog(t))
	_, err := e.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	for _, name := range []string{"s", "none"} {
		r, ok := e.Get(name, "none")
		require.False(t, ok)
		require.Equal(t, backend.Fact{}, r.Fact())
		_, ok, _ = e.GetAt(t.Context(), name, "none", store.Moment{Seq: 1, Time: time.Now(), Valid: time.Now()})
		require.False(t, ok)
		require.Empty(t, factsOf(e.History(t.Context(), name, "none", store.Moment{})))
		require.Empty(t, factsOf(e.Facts(t.Context(), name, 1)))
		require.Empty(t, factsOf(e.FactsSince(t.Context(), name, time.Now().Add(time.Hour))))
	}
	require.Empty(t, factsOf(e.List(t.Context(), "none", store.Query{})))

	var zero store.Record
	require.Equal(t, backend.Fact{}, zero.Fact())
	for _, s := range []string{zero.ID(), zero.Store(), zero.Key(), zero.ValueHash(), zero.Causation(), string(zero.Value()), string(zero.Producer()), string(zero.Derivation())} {
		require.Empty(t, s)
	}
	require.True(t, zero.TransactionTime().IsZero() && zero.ValidTime().IsZero() && !zero.Retracted())
	require.Equal(t, [3]int{0, 0, 1}, [3]int{int(zero.Seq()), zero.Version(), zero.SchemaVersion()})
}

// Facts as others write them: odd IDs and hashes, times out of the usual range, any bytes in keys.
func TestImportKeepsEverything(t *testing.T) {
	l := newLog(t)
	e := must(store.Open(t.Context(), l, store.Options{MaxSkew: math.MaxInt64}))
	defer e.Close()
	year := func(y int) time.Time { return time.Date(y, 6, 1, 2, 3, 4, 5, time.UTC) }
	facts := []backend.Fact{
		{ID: "odd", Store: "s", Key: "", Value: []byte(`{ "b" : 1, "a":2}`), ValueHash: "blake", Causation: "elsewhere", TransactionTime: year(3)},
		{ID: "0197C0DE-8C1A-7055-9DD2-E6A1EC8AA76B", Store: "s", Key: "", Value: []byte("null"), TransactionTime: year(9999), ValidTime: year(1)},
		{ID: "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76b", Store: "s\x00", Key: "\x00k", Value: []byte("1"), TransactionTime: year(1600), ValidTime: year(3000), SchemaVersion: 1 << 30},
		{ID: "upper", Store: "s", Key: "hash", Value: []byte("1"), ValueHash: strings.Repeat("AB", 32)},
		{ID: "{0197c0de-8c1a-7055-9dd2-e6a1ec8aa76b}", Store: "s", Key: "", Value: []byte("[]"), Producer: []byte(`1`)},
	}
	var written []backend.Fact
	for _, f := range facts {
		w, err := e.Import(t.Context(), f)
		require.NoError(t, err)
		require.Equal(t, string(f.Value), string(w.Value))
		written = append(written, w)
	}
	for _, e := range []*store.Engine{e, openEngine(t, l)} {
		require.Equal(t, []backend.Fact{written[0], written[1], written[3], written[4]}, factsOf(e.Facts(t.Context(), "s", 0)))
		require.Equal(t, written[2:3], factsOf(e.History(t.Context(), "s\x00", "\x00k", store.Moment{})))
	}
	again, err := e.Import(t.Context(), facts[0])
	require.NoError(t, err)
	require.Equal(t, written[0], again, "writing it again changes nothing")
	require.Equal(t, uint64(5), e.Head())
}

func TestAppend(t *testing.T) {
	e := openEngine(t, newLog(t))
	var want []backend.Fact
	for i := range 4 {
		f, err := e.Append(t.Context(), fact([]string{"", "", "", "own"}[i], i))
		require.NoError(t, err)
		if i == 3 {
			require.Equal(t, "own", f.Key)
		} else {
			require.Equal(t, f.ID, f.Key)
		}
		require.Empty(t, f.Causation)
		want = append(want, f)
	}
	require.Equal(t, want, factsOf(e.Facts(t.Context(), "s", 0)))
}

func TestConditionsAndBatches(t *testing.T) {
	e := openEngine(t, newLog(t))
	first, err := e.WriteIf(t.Context(), "", fact("k", 1))
	require.NoError(t, err)
	var conflict *backend.ConflictError
	_, err = e.WriteIf(t.Context(), "", fact("k", 2))
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, &backend.ConflictError{Store: "s", Key: "k", Latest: first.ID}, conflict)
	second, err := e.WriteIf(t.Context(), first.ID, fact("k", 2))
	require.NoError(t, err)

	given := []backend.Fact{fact("k", 3), fact("l", 4)}
	_, err = e.WriteBatch(t.Context(), backend.Batch{Facts: given, Expect: []backend.Expect{{Store: "s", Key: "k", ID: first.ID}}})
	require.ErrorIs(t, err, backend.ErrConflict)
	require.Equal(t, uint64(2), e.Head(), "nothing of it is written")
	facts, err := e.WriteBatch(t.Context(), backend.Batch{Facts: given, Expect: []backend.Expect{{Store: "s", Key: "k", ID: second.ID}}})
	require.NoError(t, err)
	require.Equal(t, facts, factsOf(e.Facts(t.Context(), "s", 2)))
	require.Empty(t, given[0].ID, "what was given is as it was")
	_, err = e.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{fact("m", 1), {Store: "s", Key: "k", Value: []byte("{")}}})
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.Equal(t, uint64(4), e.Head())
}

// The first fact of a store may have any size, also one that just fills the arena's first chunk.
func TestLargeFirstFacts(t *testing.T) {
	for n := 1000; n < 10_000; n += n / 7 {
		e := openEngine(t, newLog(t))
		f, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: "k", Value: []byte(`"` + strings.Repeat("x", n) + `"`)})
		require.NoError(t, err)
		require.Equal(t, f, e.Latest("s", "k").Fact())
	}
}

// Searches by seq and by time are right in chains of every length.
func TestLongChains(t *testing.T) {
	const n = 1000
	second := int64(0)
	l := memory.New(memory.Options{Now: func() time.Time { second += 2; return time.Unix(second, 0) }})
	defer l.Close()
	e := openEngine(t, l)
	for i := range n {
		_, err := e.Write(t.Context(), fact("k", i))
		require.NoError(t, err)
		for _, back := range []int{0, 1, 2, 7, i / 3, i / 2, i} {
			want := uint64(max(0, i-back) + 1)
			r, ok, _ := e.GetAt(t.Context(), "s", "k", store.Moment{Seq: want})
			require.True(t, ok)
			require.Equal(t, want, r.Seq())
			for _, late := range []int64{0, 1} {
				r, ok, _ = e.GetAt(t.Context(), "s", "k", store.Moment{Time: time.Unix(int64(want)*2+late, 0)})
				require.True(t, ok)
				require.Equal(t, want, r.Seq())
			}
		}
		_, ok, _ := e.GetAt(t.Context(), "s", "k", store.Moment{Time: time.Unix(1, 0)})
		require.False(t, ok)
	}
}

// Two engines on one log agree, while both write and read.
func TestTwoEngines(t *testing.T) {
	l := newLog(t)
	engines := []*store.Engine{openEngine(t, l), openEngine(t, l)}
	const writers, each = 4, 500
	var wg sync.WaitGroup
	var highest atomic.Uint64
	for i, e := range engines {
		for w := range writers {
			wg.Go(func() {
				key := fmt.Sprint(i, "-", w)
				for n := range each {
					f, err := e.Write(t.Context(), fact(key, n))
					if err != nil {
						t.Error(err)
						return
					}
					if r := e.Latest("s", key); r.Seq() != f.Seq {
						t.Errorf("wrote seq %d, read seq %d", f.Seq, r.Seq())
					}
					if e.Head() < f.Seq {
						t.Errorf("head is %d after seq %d was written", e.Head(), f.Seq)
					}
					for seen := highest.Load(); seen < f.Seq && !highest.CompareAndSwap(seen, f.Seq); seen = highest.Load() {
					}
				}
			})
		}
		wg.Go(func() { // a reader: seqs never run backwards
			last := uint64(0)
			for e.Head() < 2*writers*each && !t.Failed() {
				head := e.Head()
				if head < last {
					t.Errorf("head went from %d back to %d", last, head)
				}
				last = head
				n := uint64(0)
				for r := range e.Facts(t.Context(), "s", 0) {
					if n++; r.Seq() != n {
						t.Errorf("seq %d in place %d", r.Seq(), n)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, uint64(2*writers*each), highest.Load())
	var all [2][]backend.Fact
	for i, e := range engines {
		require.NoError(t, e.WaitFor(t.Context(), highest.Load()))
		all[i] = factsOf(e.Facts(t.Context(), "s", 0))
	}
	require.Equal(t, all[0], all[1])
}

func TestContexts(t *testing.T) {
	e := openEngine(t, newLog(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Write(ctx, fact("k", 1))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, e.WaitFor(ctx, 1), context.Canceled)
	_, err = store.Open(ctx, newLog(t), store.Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, e.WaitFor(ctx, 0))
}

// A cancelled wait leaves nothing behind.
func TestWaitsThatAreGivenUp(t *testing.T) {
	e := openEngine(t, newLog(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := heap()
	for n := range uint64(20_000) {
		require.ErrorIs(t, e.WaitFor(ctx, 1<<40-n), context.Canceled)
	}
	require.Less(t, heap(), before+1<<20)
}

func TestCloses(t *testing.T) {
	l := memory.New(memory.Options{})
	e := openEngine(t, l)
	other := openEngine(t, l)
	f, err := e.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	require.NoError(t, other.WaitFor(t.Context(), f.Seq))
	waiting := make(chan error)
	go func() { waiting <- e.WaitFor(context.Background(), 99) }()
	require.NoError(t, e.Close())
	require.ErrorIs(t, <-waiting, backend.ErrClosed)
	require.NoError(t, e.Close())
	_, err = e.Write(t.Context(), fact("k", 2))
	require.ErrorIs(t, err, backend.ErrClosed)
	require.ErrorIs(t, e.Err(), backend.ErrClosed)
	r, ok := e.Get("s", "k")
	require.True(t, ok, "what is in memory can still be read")
	require.Equal(t, f, r.Fact())

	require.NoError(t, other.Err())
	require.NoError(t, l.Close())
	require.ErrorIs(t, other.WaitFor(t.Context(), 99), backend.ErrClosed, "a closed backend ends what follows it")
	require.ErrorIs(t, other.Err(), backend.ErrClosed)
}

// Readers find every key that is there while the tables grow under them.
func TestReadingWhileKeysCome(t *testing.T) {
	e := openEngine(t, newLog(t))
	const keys = 20_000
	var written atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := written.Load(); n < keys && !t.Failed(); n = written.Load() {
				for _, k := range []int64{0, n / 3, n - 1} {
					if k < 0 || k >= n {
						continue
					}
					r, ok := e.Get(fmt.Sprint("s", k%50), fmt.Sprint("key", k))
					if want := fmt.Sprintf(`{"n":%d}`, k); !ok || string(r.Value()) != want || r.Key() != fmt.Sprint("key", k) {
						t.Errorf("key %d: %v %s", k, ok, r.Value())
						return
					}
				}
			}
		})
	}
	for n := range keys {
		f := fact(fmt.Sprint("key", n), n)
		f.Store = fmt.Sprint("s", n%50)
		if _, err := e.Write(t.Context(), f); err != nil {
			t.Error(err)
			break
		}
		written.Store(int64(n + 1))
	}
	wg.Wait()
	require.Len(t, e.Stores(), 50)
}
