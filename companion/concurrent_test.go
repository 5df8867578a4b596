// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
)

// Item belongs to a group.
type Item struct {
	Group string `json:"group"`
	N     int    `json:"n"`
}

// An app has everything that can be declared over a Store.
type app struct {
	store  *companion.Store
	items  *companion.Records[Item]
	groups *companion.Records[int]
	events *companion.Events[Item]
	even   *companion.Scope[Item]
	of     *companion.Relation[int, Item]
	by     *companion.Partition[Item]
	sum    *companion.Fold[int]
}

func newApp(t *testing.T, s *companion.Store) *app {
	a := &app{store: s}
	var errs [6]error
	a.items, errs[0] = companion.NewRecords[Item](s, "items")
	a.groups, errs[1] = companion.NewRecords[int](s, "groups")
	a.events, errs[2] = companion.NewEvents[Item](s, "events")
	a.even, errs[3] = a.items.Scope("even", companion.Filter[Item]{Match: func(_ string, i Item) bool { return i.N%2 == 0 }})
	a.of, errs[4] = companion.NewRelation(a.groups, a.items, "group")
	a.by, errs[5] = a.events.Partition("group")
	require.NoError(t, errors.Join(errs[:]...))
	a.sum = companion.NewFold(a.items, 0, func(sum int, _, r companion.Record[Item]) int { return sum + r.Value.N })
	return a
}

// drain reads a loop to its end.
func drain[T any](records iter.Seq2[companion.Record[T], error]) error {
	for _, err := range records {
		if err != nil {
			return err
		}
	}
	return nil
}

// calls returns calls of the public methods, as an app makes them. n is different for each round.
func (a *app) calls(ctx context.Context, n int) map[string]func() error {
	key, group := fmt.Sprint("i", n%7), fmt.Sprint("g", n%3)
	item := Item{group, n}
	at := companion.Moment{Seq: a.store.Head()}
	only := func(_ companion.Receipt, err error) error { return err }
	return map[string]func() error{
		"Put":    func() error { return only(a.items.Put(ctx, key, item)) },
		"Delete": func() error { return only(a.items.Delete(ctx, key)) },
		"Update": func() error {
			return only(a.groups.Update(ctx, group, func(old companion.Record[int]) (int, error) { return old.Value + 1, nil }))
		},
		"Append": func() error { return only(a.events.Append(ctx, item)) },
		"Write": func() error {
			_, err := a.store.Write(ctx, a.items.Change(key, item), a.groups.Change(group, n).IfNew(), a.events.Event(item))
			return err
		},
		"Get":       func() error { _, err := a.items.Get(ctx, key); return err },
		"GetAt":     func() error { _, err := a.items.GetAt(ctx, key, at); return err },
		"List":      func() error { return drain(a.items.List(ctx, companion.Query{ByKey: true, At: at})) },
		"History":   func() error { return drain(a.items.History(ctx, key, at)) },
		"Since":     func() error { return drain(a.events.Since(ctx, uint64(n))) },
		"SinceTime": func() error { return drain(a.events.SinceTime(ctx, time.Now().Add(-time.Millisecond))) },
		"Partition": func() error { return drain(a.by.Since(ctx, group, 0)) },
		"Many":      func() error { return drain(a.of.Many(ctx, group, at)) },
		"One": func() error {
			r, err := a.items.Get(ctx, key)
			if err == nil {
				_, err = a.of.One(ctx, r, companion.Moment{})
			}
			return err
		},
		"Scope": func() error {
			even, err := a.items.Scope(fmt.Sprint("in ", group), companion.Filter[Item]{Where: map[string]any{"group": group}})
			if err == nil {
				even.Build()
				even.Close()
			}
			return err
		},
		"Query": func() error {
			page, err := a.items.Query(ctx, companion.Query{OrderBy: "n", At: at, Limit: 3})
			if err == nil && page.Next != "" {
				_, err = a.even.Query(ctx, companion.Query{ByKey: true, Limit: 2})
			}
			return err
		},
		"Scope.List": func() error { return drain(a.even.List(ctx, companion.Query{Descending: true, Limit: 3})) },
		"Count":      func() error { a.even.Count(); return nil },
		"Watch": func() error {
			entered, err := a.items.Put(ctx, fmt.Sprint("watched ", n), Item{group, 2 * n})
			if err != nil {
				return err
			}
			for event, err := range a.even.Watch(ctx, 0) {
				if err != nil || event.Record.Seq == entered.Seq {
					return err
				}
			}
			return nil
		},
		"Tail": func() error {
			last, err := a.events.Append(ctx, item)
			if err != nil {
				return err
			}
			for event, err := range a.events.Tail(ctx, 0) {
				if err != nil || event.Seq == last.Seq {
					return err
				}
			}
			return nil
		},
		"Fold":    func() error { return a.sum.Read(ctx, func(int, uint64) {}) },
		"WaitFor": func() error { return a.store.WaitFor(ctx, at.Seq) },
		"Sync":    func() error { return a.store.Sync(ctx) },
		"Derive": func() error {
			return a.items.Derive(fmt.Sprint("rule ", n%4), 1, func(_ context.Context, r companion.Record[Item]) (companion.Derived, error) {
				return companion.Derived{Changes: []companion.Change{a.groups.Change("derived", r.Value.N)}}, nil
			})
		},
		"Upcast": func() error {
			return a.events.Upcast(func(v json.RawMessage) (json.RawMessage, error) { return v, nil })
		},
		"Retain": func() error {
			return errors.Join(a.items.Retain(companion.Retention{Versions: 5}), a.events.Retain(time.Hour))
		},
		"PlanCompaction": func() error { a.store.PlanCompaction(); return nil },
		"Compact":        func() error { _, err := a.store.Compact(ctx); return err },
		"Snapshot":       func() error { return a.store.Snapshot(ctx) },
		"Lineage": func() error {
			r, err := a.items.Get(ctx, key)
			if err != nil {
				return err
			}
			l, err := a.store.Lineage(r.ID)
			if err == nil {
				_ = a.store.VerifyLineage(l) // its facts may be pruned by now
			}
			return err
		},
	}
}

// TestEverythingAtOnce uses three Stores on one log in all ways at once, over each backend, and closes one of them
// meanwhile. The only errors allowed are that others were faster or that the Store is closed, and in the end all show
// the same.
func TestEverythingAtOnce(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		log := memory.New(memory.Options{})
		everythingAtOnce(t, log, log, log)
		require.NoError(t, log.Close())
	})
	t.Run("file", func(t *testing.T) {
		log, err := file.Open(t.Context(), file.Options{Path: t.TempDir()})
		require.NoError(t, err)
		everythingAtOnce(t, log, log, log)
		require.NoError(t, log.Close())
	})
	t.Run("network", func(t *testing.T) {
		log := memory.New(memory.Options{})
		s := servertest.Serve(t, log, "tcp", "", server.Options{})
		var clients [2]backend.Log
		for i := range clients {
			var err error
			clients[i], err = network.Dial(t.Context(), network.Options{Address: s.Address})
			require.NoError(t, err)
		}
		everythingAtOnce(t, clients[0], clients[1], log)
		for _, c := range clients {
			require.NoError(t, c.Close())
		}
		s.Stop()
		require.NoError(t, log.Close())
	})
}

func everythingAtOnce(t *testing.T, logs ...backend.Log) {
	apps := make([]*app, len(logs))
	for i := range apps {
		s, err := companion.New(t.Context(), logs[i], companion.Options{})
		require.NoError(t, err)
		defer s.Close()
		apps[i] = newApp(t, s)
	}
	const workers, rounds = 4, 6
	var wg sync.WaitGroup
	for i, a := range apps {
		for w := range workers {
			wg.Go(func() {
				for round := range rounds {
					if i == 2 && round == rounds/2 {
						if err := a.store.Close(); err != nil {
							t.Error(err)
						}
					}
					n := (round*workers+w)*len(apps) + i
					for name, call := range a.calls(companion.WithProducer(t.Context(), w), n) { // in any order
						err := call()
						expected := err == nil || errors.Is(err, companion.ErrNotFound) || errors.Is(err, companion.ErrConflict) || errors.Is(err, companion.ErrCompacted) ||
							name == "Since" && errors.Is(err, backend.ErrDiverged) || // it may begin after the log's end
							(name == "Derive" || name == "Upcast") && errors.Is(err, companion.ErrInvalid) || i == 2 && errors.Is(err, backend.ErrClosed)
						if !expected {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	var items [2][]companion.Record[Item]
	for i, a := range apps[:2] {
		require.NoError(t, a.store.Sync(t.Context()))
		items[i] = collect(t, a.items.List(t.Context(), companion.Query{ByKey: true}))
		even, sum := 0, 0
		for _, r := range items[i] {
			if r.Value.N%2 == 0 {
				even++
			}
			sum++
			require.NotZero(t, r.Version)
		}
		require.Equal(t, even, a.even.Count())
		members := 0
		for g := range 3 {
			members += len(collect(t, a.of.Many(t.Context(), fmt.Sprint("g", g), companion.Moment{})))
		}
		require.Equal(t, sum, members)
	}
	require.Equal(t, items[0], items[1])
}
