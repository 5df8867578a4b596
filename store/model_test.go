package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/store"
)

// A side is one engine on the log and what is kept over it.
type side struct {
	*store.Engine
	open   *store.Scope // {"status":"open"}
	big    *store.Scope // n > 50, by Match
	status *store.Index
	owner  *store.Relation
}

type doc struct {
	N      int    `json:"n"`
	Status string `json:"status,omitempty"`
	Owner  any    `json:"owner,omitempty"`
}

func over(t *rapid.T, b backend.Backend) *side {
	opts := store.Options{}
	if rapid.Bool().Draw(t, "stores are loaded when asked for") {
		opts.Stores = []string{}
	}
	e, err := store.Open(context.Background(), b, opts)
	require.NoError(t, err)
	require.NoError(t, e.Load(context.Background(), "docs", "people", store.CompactionStore))
	s := &side{Engine: e}
	s.open, err = e.Scope("docs", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
	require.NoError(t, err)
	s.big, err = e.Scope("docs", "big", store.Filter{Match: isBig})
	require.NoError(t, err)
	s.status, err = e.Index("docs", "status")
	require.NoError(t, err)
	s.owner, err = e.Relation("people", "docs", "owner")
	require.NoError(t, err)
	return s
}

// TestModel drives writes, batches, conditions, retractions and reopenings of two engines on one log
// at random, and compares every way to read with an oracle that goes through the whole log.
func TestModel(t *testing.T) {
	for _, b := range modelBackends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				dir, err := os.MkdirTemp("", "igniter-model")
				require.NoError(t, err)
				defer os.RemoveAll(dir)
				log, err := b.open(dir)
				require.NoError(t, err)
				sides := [2]*side{over(t, log), over(t, log)}
				defer func() {
					for _, s := range sides {
						require.NoError(t, s.Close())
					}
					require.NoError(t, log.Close())
				}()
				m := model{t: t, ids: 0}
				for range rapid.IntRange(1, 40).Draw(t, "steps") {
					s := sides[rapid.IntRange(0, 1).Draw(t, "side")]
					step := rapid.IntRange(0, 9).Draw(t, "step")
					if step == 0 || step == 1 || step == 4 {
						if !backend.Complete(log).Features().Batches {
							step = 9 // it writes single facts only
						}
					}
					switch step {
					case 0:
						m.batch(s)
					case 1:
						m.update(s)
					case 2:
						m.retract(s)
					case 3:
						for i := range sides {
							require.NoError(t, sides[i].Close())
						}
						if b.reopen {
							require.NoError(t, log.Close())
							log, err = b.open(dir)
							require.NoError(t, err)
						}
						sides = [2]*side{over(t, log), over(t, log)}
					case 4:
						m.compact(s)
						for _, s := range sides {
							require.NoError(t, s.Sync(context.Background()))
						}
					case 5:
						other := sides[rapid.IntRange(0, 1).Draw(t, "reader")]
						require.NoError(t, other.Sync(context.Background()))
						m.check(other)
					default:
						m.write(s)
					}
				}
				for _, s := range sides {
					require.NoError(t, s.Sync(context.Background()))
					m.check(s)
				}
			})
		})
	}
}

type model struct {
	t   *rapid.T
	o   oracle // what the log holds
	all oracle // what was ever written
	ids int

	horizon backend.Horizon // of docs
}

var modelKeys = []string{"a", "ab", "b", "c", "7"}

func (m *model) draw() backend.Fact {
	d := doc{N: rapid.IntRange(0, 100).Draw(m.t, "n"), Status: rapid.SampledFrom([]string{"", "open", "done"}).Draw(m.t, "status")}
	d.Owner = rapid.SampledFrom([]any{nil, "ana", "7", 7, true}).Draw(m.t, "owner")
	value := fmt.Appendf(nil, `{"n":%d,"status":%q,"owner":null}`, d.N, d.Status)
	if d.Owner != nil {
		value = fmt.Appendf(nil, `{ "owner" : %s, "n":%d,"stat\u0075s":%q}`, mustJSON(d.Owner), d.N, d.Status)
	}
	m.ids++
	f := backend.Fact{
		ID: fmt.Sprint("f", m.ids), Store: "docs", Key: rapid.SampledFrom(modelKeys).Draw(m.t, "key"), Value: value,
	}
	if rapid.IntRange(0, 4).Draw(m.t, "valid") == 0 {
		f.ValidTime = time.Unix(int64(rapid.IntRange(1, 50).Draw(m.t, "valid time")), 0)
	}
	return f
}

func (m *model) last() uint64 {
	if len(m.o) == 0 {
		return 0
	}
	return m.o[len(m.o)-1].Seq
}

func (m *model) took(facts ...backend.Fact) {
	m.o, m.all = append(m.o, facts...), append(m.all, facts...)
}

func (m *model) write(s *side) {
	f, err := s.Import(context.Background(), m.draw()) // the value as it is, not in canonical form
	require.NoError(m.t, err)
	m.took(f)
}

func (m *model) retract(s *side) {
	f, err := s.Retract(context.Background(), m.draw())
	require.NoError(m.t, err)
	m.took(f)
}

func (m *model) batch(s *side) {
	b := backend.Batch{Facts: []backend.Fact{m.draw(), m.draw()}}
	b.Facts[1].Store = "people"
	key, want := b.Facts[0].Key, ""
	if f := m.o.at("docs", key, store.Moment{}); f != nil {
		want = f.ID
	}
	expect := rapid.SampledFrom([]string{want, "", "f1"}).Draw(m.t, "expect")
	b.Expect = []backend.Expect{{Store: "docs", Key: key, ID: expect}}
	facts, err := s.WriteBatch(context.Background(), b)
	if expect != want {
		require.ErrorIs(m.t, err, backend.ErrConflict)
		return
	}
	require.NoError(m.t, err)
	m.took(facts...)
}

func (m *model) update(s *side) {
	f := m.draw()
	written, err := s.Update(context.Background(), f.Store, f.Key, func(old store.Record) (backend.Fact, error) {
		f.SchemaVersion = old.Version() + 1
		return f, nil
	})
	require.NoError(m.t, err)
	require.Equal(m.t, len(m.o.where(func(g backend.Fact) bool { return g.Store == f.Store && g.Key == f.Key }))+1, written.SchemaVersion)
	m.took(written)
}

// compact lets the latest few facts of each key of docs be.
func (m *model) compact(s *side) {
	require.NoError(m.t, s.Sync(context.Background()))
	rule := store.Retention{Versions: rapid.IntRange(1, 4).Draw(m.t, "keep"), Forget: rapid.Bool().Draw(m.t, "forget")}
	require.NoError(m.t, s.Retain("docs", store.Retention{})) // in place of what was set before
	require.NoError(m.t, s.Retain("docs", rule))
	plan := s.PlanCompaction()
	done, err := s.Compact(context.Background())
	require.NoError(m.t, err)
	require.Equal(m.t, plan, done)
	if len(done) == 0 {
		return
	}
	gone := seqrange.Set(done[0].Seqs)
	var left oracle
	newer := map[string]int{}
	for _, f := range slices.Backward(m.o) {
		if f.Store == "docs" {
			newer[f.Key]++
		}
		if !gone.Has(f.Seq) {
			left = append(left, f)
			continue
		}
		require.Equal(m.t, "docs", f.Store)
		if newer[f.Key] == 1 { // the key is forgotten, as if it had never been written
			m.all = slices.DeleteFunc(m.all, func(g backend.Fact) bool { return g.Store == "docs" && g.Key == f.Key })
		}
		require.True(m.t, newer[f.Key] > rule.Versions || rule.Forget && newer[f.Key] == 1 && f.Retraction(), "the latest facts are kept")
	}
	slices.Reverse(left)
	require.Equal(m.t, len(m.o)-len(left), done[0].Facts)
	require.LessOrEqual(m.t, done[0].Horizon.Seq, m.last())
	m.horizon = m.horizon.Later(done[0].Horizon)
	m.o = left
	m.all = slices.DeleteFunc(m.all, func(f backend.Fact) bool { // a forgotten key is one that was never written
		return f.Store == "docs" && !slices.ContainsFunc(left, func(g backend.Fact) bool { return g.Store == f.Store && g.Key == f.Key })
	})
	m.took(factsOf(s.Facts(context.Background(), store.CompactionStore, m.last()))...) // what was meant, and the receipt
}

// compacted reports whether err says, rightly, that a read of docs as of a moment needs facts that were pruned.
func (m *model) compacted(err error, at store.Moment) bool {
	before := at.Seq != 0 && at.Seq < m.horizon.Seq ||
		!at.Time.IsZero() && at.Time.Before(m.horizon.Time) || !at.Valid.IsZero() && at.Valid.Before(m.horizon.Time)
	require.Equal(m.t, before, errors.Is(err, backend.ErrCompacted), "%v as of %+v, with horizon %v", err, at, m.horizon)
	return before
}

func isBig(_ store.Record, value json.RawMessage) bool {
	var d doc
	return json.Unmarshal(value, &d) == nil && d.N > 50
}

func decodeDoc(f backend.Fact) (d doc) {
	_ = json.Unmarshal(f.Value, &d)
	return d
}

// current returns what the keys of docs have at a moment, in the order of their first facts.
func (m *model) current(at store.Moment, ok func(backend.Fact) bool) []backend.Fact {
	var keys []string
	for _, f := range m.o {
		if f.Store == "docs" && !slices.Contains(keys, f.Key) {
			keys = append(keys, f.Key)
		}
	}
	all := []backend.Fact{}
	for _, key := range keys {
		if f := m.all.at("docs", key, at); f != nil && !f.Retraction() && ok(*f) {
			all = append(all, *f)
		}
	}
	return all
}

func (m *model) equal(want, got []backend.Fact, what string, args ...any) {
	if diff := gocmp.Diff(want, got); diff != "" {
		m.t.Fatalf("%s: -want +got\n%s", fmt.Sprintf(what, args...), diff)
	}
}

func mustJSON(v any) string {
	return string(must(json.Marshal(v)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
