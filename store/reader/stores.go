// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"cmp"
	"context"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// Stores implements query.Reader.
func (r *Reader) Stores(ctx context.Context, readable []string, q query.StoresQuery) (all query.Stores, err error) {
	if q.Days < 0 || q.Days > 366 {
		return all, &backend.InvalidError{Field: "days", Reason: "not from 0 to 366"}
	}
	all.Stores = []query.Store{}
	today := dayOf(r.opts.now())
	err = r.catalog.read(ctx, true, func(stats *backend.Stats) {
		c := r.catalog
		r.grown()
		all.Seq, all.Log = stats.LastSeq, stats.Log
		if readable == nil {
			all.Bytes, all.Facts, all.Time, all.More = stats.Bytes, c.facts, stats.LastTime, c.others > 0
		}
		size := 0
		for _, name := range c.names(readable) {
			s := c.stores[name]
			if readable != nil {
				all.Facts += s.facts
			}
			if name <= q.After || all.Next != "" {
				continue
			}
			if size += len(name) + 500 + 10*q.Days; size > query.MaxAnswer {
				all.Next, all.More = all.Stores[len(all.Stores)-1].Store, true
				continue
			}
			x := query.Store{Store: name, Facts: s.facts, Bytes: s.bytes, FirstSeq: s.first, LastSeq: s.last, LastTime: s.lastTime, Memory: uint64(s.memory()), Days: make([]uint64, q.Days)}
			if keys := s.keys; s.known != nil {
				x.Keys = &keys
			}
			if h := stats.Horizon(name); !h.IsZero() {
				x.Horizon = &h
			}
			for i := range x.Days {
				x.Days[i] = s.days[today-int64(q.Days-1-i)]
			}
			all.Stores = append(all.Stores, x)
		}
	})
	if err != nil {
		return all, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, h := range r.stores {
		i := slices.IndexFunc(all.Stores, func(s query.Store) bool { return s.Store == name })
		switch {
		case i < 0:
		case h.open():
			all.Stores[i].Loaded = true
		default:
			all.Stores[i].Loading = &query.Progress{Done: h.read.Load(), Total: h.facts}
		}
	}
	return all, nil
}

// Counted returns the latest finished counts by store, the store with the most facts first; nil before the first count.
// It does not wait: it starts a new count in the background and returns. The count takes at most a quarter of one
// processor's time, or more if the log grows faster than the count proceeds. Counted is for metrics, which are read
// often.
func (r *Reader) Counted() []query.Store {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.counting && !r.closed {
		r.counting = true
		r.work.Go(func() {
			var all []query.Store
			err := r.catalog.readSlowly(r.life, r.rest, func() {
				for name, s := range r.catalog.stores {
					all = append(all, query.Store{Store: name, Facts: s.facts, Bytes: s.bytes})
				}
			})
			slices.SortFunc(all, func(a, b query.Store) int {
				return cmp.Or(cmp.Compare(b.Facts, a.Facts), cmp.Compare(a.Store, b.Store))
			})
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.counting = false; err == nil {
				r.counted = all
			}
		})
	}
	return r.counted
}
