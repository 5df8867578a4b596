// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Two engines on one log, one of which holds little, are written, watched, read, compacted and pruned
// behind their backs at the same time, and no update is lost.
func TestEverythingAtOnce(t *testing.T) {
	const keys, writers, each = 7, 3, 400
	l := newLog(t)
	few, err := store.Open(t.Context(), l, store.Options{KeepVersions: 1})
	require.NoError(t, err)
	defer few.Close()
	engines := []*store.Engine{openEngine(t, l), few}
	even := func(r store.Record, value json.RawMessage) bool {
		n, err := strconv.Atoi(string(value))
		return err == nil && n%2 == 0
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writing, watchers, readers sync.WaitGroup
	watched := make([]map[string]uint64, len(engines))
	scopes := make([]*store.Scope, len(engines))
	for i, e := range engines {
		scopes[i], err = e.Scope("n", "even", store.Filter{Match: even})
		require.NoError(t, err)
		watchers.Go(func() { // a watcher learns what is in the scope
			in := map[string]uint64{}
			for event, err := range scopes[i].Watch(t.Context(), 0) {
				if errors.Is(err, backend.ErrCompacted) {
					continue // the latest facts of all keys are kept
				}
				if err != nil {
					t.Error(err)
					break
				}
				if r := event.Record; r.Key() == "end" {
					break
				} else if event.Transition == store.Left {
					delete(in, r.Key())
				} else {
					in[r.Key()] = r.Seq()
				}
			}
			watched[i] = in
		})
		readers.Go(func() { // a reader sees only records that fit
			for ctx.Err() == nil {
				at := store.AsOf(e.Head())
				for r, err := range scopes[i].List(t.Context(), store.Query{At: at}) {
					if errors.Is(err, backend.ErrCompacted) {
						break // the horizon has passed the moment
					}
					if !even(r, r.Value()) || r.Seq() > at.Seq {
						t.Errorf("%s at seq %d is in the scope as of seq %d", r.Value(), r.Seq(), at.Seq)
					}
				}
			}
		})
		for w := range writers {
			writing.Go(func() {
				for n := range each {
					_, err := e.Update(ctx, "n", fmt.Sprint("k", (n+w)%keys), func(old store.Record) (f backend.Fact, err error) {
						n := 0
						if old.Seq() != 0 {
							n, err = strconv.Atoi(string(old.Value()))
						}
						f.Value = fmt.Append(nil, n+1)
						return f, err
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	readers.Go(func() {
		e := engines[0]
		if err := e.Retain("n", store.Retention{Versions: 2}); err != nil {
			t.Error(err)
		}
		for n := 0; ctx.Err() == nil; n++ {
			if n%2 == 0 {
				if _, err := e.Compact(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			} else if n < 20 { // facts of the past only, else an update would be lost
				var old []uint64
				for r := range e.History(t.Context(), "n", "k1", store.Moment{}) {
					old = append(old, r.Seq())
				}
				if len(old) > 1 {
					_, _ = l.Prune(ctx, func(yield func(uint64) bool) {
						for _, seq := range old[:len(old)-1] {
							if !yield(seq) {
								return
							}
						}
					}, backend.Horizon{})
				}
			}
		}
	})
	writing.Wait()
	for i, e := range engines {
		require.NoError(t, e.Sync(t.Context()))
		sum := 0
		for r := range e.List(t.Context(), "n", store.Query{}) {
			n, err := strconv.Atoi(string(r.Value()))
			require.NoError(t, err)
			sum += n
		}
		require.Equal(t, len(engines)*writers*each, sum, i)
	}
	cancel()
	readers.Wait()
	_, err = few.Write(t.Context(), backend.Fact{Store: "n", Key: "end", Value: []byte("0")})
	require.NoError(t, err)
	watchers.Wait()
	for i := range engines {
		want := map[string]uint64{}
		for r := range scopes[i].List(t.Context(), store.Query{}) {
			if r.Key() != "end" {
				want[r.Key()] = r.Seq()
			}
		}
		require.Equal(t, want, watched[i], i)
	}
}
