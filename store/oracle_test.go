// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/model"
	"github.com/igniter-store/igniter/store"
)

// An oracle answers every read by going through the whole log.
type oracle []backend.Fact

func (o oracle) at(name, key string, m store.Moment) *backend.Fact {
	return model.Oracle(o).At(name, key, m)
}

func (o oracle) where(ok func(backend.Fact) bool) []backend.Fact { return model.Oracle(o).Where(ok) }

type doc struct {
	N      int    `json:"n"`
	Status string `json:"status,omitempty"`
	Owner  any    `json:"owner,omitempty"`
}

func decodeDoc(f backend.Fact) (d doc) {
	_ = json.Unmarshal(f.Value, &d)
	return d
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func factsOf(records iter.Seq2[store.Record, error]) []backend.Fact { return model.FactsOf(records) }

// recordsOf returns records that are read without an error but the one that says that facts were pruned.
func recordsOf(records iter.Seq2[store.Record, error]) (all []store.Record) {
	for r, err := range records {
		if errors.Is(err, backend.ErrCompacted) && len(all) == 0 {
			continue
		}
		if err != nil {
			panic(err)
		}
		all = append(all, r)
	}
	return all
}

// TestOracle writes facts at random, with times in and out of order on both axes, and compares
// every way to read with the oracle.
func TestOracle(t *testing.T) {
	stores := []string{"a", "b", ""}[:2]
	keys := []string{"", "k", "l", "m"}
	second := func(n int) time.Time { return time.Unix(int64(n), 0).UTC() }
	times := rapid.Map(rapid.IntRange(-3, 30), func(n int) time.Time {
		if n < 0 {
			return time.Time{} // not given
		}
		return second(n)
	})
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		clock := second(5)
		log := memory.New(memory.Options{Now: func() time.Time { return clock }})
		defer log.Close()
		writer := openEngine(t, log)
		var o oracle
		own := rapid.Bool().Draw(t, "times are the log's")
		for i := range rapid.IntRange(0, 60).Draw(t, "facts") {
			f := backend.Fact{
				ID:    fmt.Sprint("f", i),
				Store: rapid.SampledFrom(stores).Draw(t, "store"),
				Key:   rapid.SampledFrom(keys).Draw(t, "key"),
				Value: []byte(fmt.Sprintf(`{"n":%d}`, i)),
			}
			if rapid.IntRange(0, 5).Draw(t, "retract") == 0 {
				f.Value = []byte("null")
			}
			if rapid.Bool().Draw(t, "valid") {
				f.ValidTime = times.Draw(t, "valid time")
			}
			if !own {
				f.TransactionTime = times.Draw(t, "transaction time")
			}
			clock = clock.Add(time.Duration(rapid.IntRange(-1, 2).Draw(t, "clock")) * time.Second)
			written, err := writer.Write(ctx, f)
			require.NoError(t, err)
			o = append(o, written)
		}
		reader := openEngine(t, log)
		for _, e := range []*store.Engine{writer, reader} {
			require.Equal(t, uint64(len(o)), e.Head())
			for _, name := range stores {
				for _, key := range keys {
					require.Equal(t, o.where(func(f backend.Fact) bool { return f.Store == name && f.Key == key }),
						factsOf(e.History(context.Background(), name, key, store.Moment{})))
					for range 20 {
						m := store.Moment{
							Seq:   uint64(rapid.IntRange(0, len(o)+1).Draw(t, "seq")),
							Time:  times.Draw(t, "time"),
							Valid: times.Draw(t, "valid at"),
						}
						if rapid.Bool().Draw(t, "now") {
							m.Seq = 0
						}
						checkAt(t, o, e, name, key, m)
					}
					checkAt(t, o, e, name, key, store.Moment{})
				}
				after := uint64(rapid.IntRange(0, len(o)+1).Draw(t, "after"))
				if after > e.Head() {
					require.ErrorIs(t, firstError(e.Facts(context.Background(), name, after)), backend.ErrDiverged)
				} else {
					require.Equal(t, o.where(func(f backend.Fact) bool { return f.Store == name && f.Seq > after }),
						factsOf(e.Facts(context.Background(), name, after)))
				}
				since := second(rapid.IntRange(0, 30).Draw(t, "since"))
				require.Equal(t, o.where(func(f backend.Fact) bool { return f.Store == name && !f.TransactionTime.Before(since) }),
					factsOf(e.FactsSince(context.Background(), name, since)))
				m := store.Moment{Time: times.Draw(t, "time"), Valid: times.Draw(t, "valid at")}
				want := []backend.Fact{}
				for _, key := range keys {
					if f := o.at(name, key, m); f != nil && !f.Retraction() {
						want = append(want, *f)
					}
				}
				byKey := func(a, b backend.Fact) int { return slices.Compare([]byte(a.Key), []byte(b.Key)) }
				got := factsOf(e.List(context.Background(), name, store.Query{At: m}))
				slices.SortFunc(got, byKey)
				require.Equal(t, want, got)
			}
		}
	})
}

func checkAt(t require.TestingT, o oracle, e *store.Engine, name, key string, m store.Moment) {
	want := o.at(name, key, m)
	got, ok, err := e.GetAt(context.Background(), name, key, m)
	if m.Seq > e.Head() {
		require.ErrorIs(t, err, backend.ErrDiverged, "beyond the end")
		return
	}
	require.NoError(t, err)
	require.Equal(t, want != nil && !want.Retraction(), ok, "%+v", m)
	if want == nil {
		want = new(backend.Fact)
	}
	require.Equal(t, *want, got.Fact(), "%+v", m)
	if m == (store.Moment{}) {
		now, nowOK := e.Get(name, key)
		require.Equal(t, ok, nowOK)
		require.Equal(t, *want, now.Fact())
		require.Equal(t, *want, e.Latest(name, key).Fact())
	}
}

// openEngine opens an engine that is closed when the test ends.
func openEngine(t interface {
	require.TestingT
	Cleanup(func())
}, b backend.Backend) *store.Engine {
	e, err := store.Open(context.Background(), b, store.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}
