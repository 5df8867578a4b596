// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// Fact implements query.Reader.
func (r *Reader) Fact(ctx context.Context, readable []string, store, id string) (v query.Version, err error) {
	stats, err := r.log.Stats(ctx)
	if err != nil {
		return v, err
	}
	f, err := r.named(ctx, readable, stats.LastSeq, store, id)
	if err != nil {
		return v, err
	}
	x := versionOf{Version: query.Version{Fact: f, HashOK: hashOK(&f)}}
	if err := r.before(ctx, &x); err != nil {
		return v, err
	}
	x.Kind, x.Changes, x.MoreChanges = kindOf(x.old, f.Value)
	x.describe()
	x.Fact.Value, x.ValueBytes = f.Value, 0 // one fact is given whole
	return x.Version, nil
}

// named returns the fact of a store with an ID. With store "" it searches the whole log for the only fact with the ID.
func (r *Reader) named(ctx context.Context, readable []string, last uint64, store, id string) (found backend.Fact, err error) {
	stores := readable
	if store != "" {
		if err := mayRead(readable, store); err != nil {
			return found, err
		}
		stores = []string{store}
	}
	in, err := r.searchFor(ctx, withID, "", id)
	if err != nil {
		return found, err
	}
	for f, err := range r.backward(ctx, in, 0, last, stores, 0, nil) {
		switch {
		case err != nil:
			return found, err
		case f.ID != id:
		case store != "":
			return f.Clone(), nil
		case found.Seq != 0 && found.Store != f.Store:
			return found, &backend.InvalidError{Field: "id", Reason: fmt.Sprintf("%.200q is the ID of a fact in store %q and of one in store %q: name the store, or the seq", id, f.Store, found.Store)}
		default:
			found = f.Clone()
		}
	}
	if found.Seq == 0 {
		return found, fmt.Errorf("%w: fact %q", query.ErrNotFound, id)
	}
	return found, nil
}

// before finds the version before v, which is the key's previous fact.
func (r *Reader) before(ctx context.Context, v *versionOf) error {
	f := &v.Fact
	if f.Causation == "" { // the log names the fact before it, if there is one
		v.Follows = "yes"
		return nil
	}
	in, err := r.searchFor(ctx, ofKey, f.Store, f.Key)
	if err != nil {
		return err
	}
	for b, err := range r.backward(ctx, in, 0, f.Seq-1, []string{f.Store}, 1, func(b *backend.Fact) bool { return b.Key == f.Key }) {
		if err != nil {
			return err
		}
		v.old, v.PreviousSeq, v.Follows = b.Value, b.Seq, follows(f, b)
		return nil
	}
	v.Follows = "gone"
	return nil
}

// Facts implements query.Reader.
func (r *Reader) Facts(ctx context.Context, readable []string, q query.FactsQuery) (seq uint64, facts iter.Seq2[query.Version, error], err error) {
	stores, err := within(readable, q.Stores)
	if err != nil {
		return 0, nil, err
	}
	stats, err := r.reach(ctx, q.After)
	if err != nil {
		return 0, nil, err
	}
	last := stats.LastSeq
	after, through := q.After, last
	if q.Through != 0 {
		through = min(through, q.Through)
	}
	if (!q.Since.IsZero() || !q.Until.IsZero()) && !r.opts.Once {
		err := r.catalog.read(ctx, false, func(*backend.Stats) {
			first, final := r.catalog.span(q.Since, q.Until)
			after = max(after, first)
			if final < r.catalog.through {
				through = min(through, final)
			}
		})
		if err != nil {
			return 0, nil, err
		}
	}
	in, err := r.searchWithin(ctx, stores, q.Key)
	if err != nil {
		return 0, nil, err
	}
	inFilter := q.Matcher()
	wants := func(f *backend.Fact) bool {
		return (q.Since.IsZero() || !f.TransactionTime.Before(q.Since)) && (q.Until.IsZero() || f.TransactionTime.Before(q.Until)) && inFilter(f)
	}
	if q.Reverse {
		limit, err := limitOf(q.Limit, query.MaxFacts)
		if err != nil {
			return 0, nil, err
		}
		if limit < 0 {
			limit = math.MaxInt
		}
		return last, r.reverse(ctx, in, after, through, stores, limit, wants, q.Changes), nil
	}
	return last, func(yield func(query.Version, error) bool) {
		left := q.Limit
		for f, err := range r.forward(ctx, in, after, through, stores) {
			if err != nil {
				yield(query.Version{}, err)
				return
			}
			if !wants(f) {
				continue
			}
			if !yield(query.Version{Fact: *f}, nil) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}, nil
}

// reverse yields facts, the newest first.
func (r *Reader) reverse(ctx context.Context, in parts, after, through uint64, stores []string, limit int, wants func(*backend.Fact) bool, changes bool) iter.Seq2[query.Version, error] {
	return func(yield func(query.Version, error) bool) {
		if changes {
			all, err := r.changes(ctx, after, through, stores, limit, wants)
			for i := range all {
				if !yield(all[i].Version, nil) {
					return
				}
			}
			if err != nil {
				yield(query.Version{}, err)
			}
			return
		}
		left := limit
		for f, err := range r.backward(ctx, in, after, through, stores, min(limit, query.MaxFacts), wants) {
			if err != nil {
				yield(query.Version{}, err)
				return
			}
			if !yield(query.Version{Fact: *f}, nil) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// changes returns facts with their changes, the newest first. It reads the log backwards; before the window it reads
// only the parts that may have the previous versions of these facts. It ends early at query.MaxAnswer bytes.
func (r *Reader) changes(ctx context.Context, after, through uint64, stores []string, limit int, wants func(*backend.Fact) bool) (all []*versionOf, err error) {
	type key struct{ store, key string }
	pending, hashes := map[key]*versionOf{}, map[key]uint64{} // facts whose previous version is not found yet
	size := 0
	full := func() bool { return len(all) == limit || size > query.MaxAnswer && limit < math.MaxInt }
	in, err := r.search(ctx, func(f *filter) bool {
		if f.through > after && !full() {
			return true
		}
		for _, hash := range hashes {
			if f.has(hash) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	for f, err := range r.backward(ctx, in, 0, through, stores, 0, nil) {
		if err != nil {
			return nil, err
		}
		k := key{f.Store, f.Key}
		if v := pending[k]; v != nil {
			v.old, v.PreviousSeq, v.Follows = f.Value, f.Seq, follows(&v.Fact, f)
			v.describe()
			delete(pending, k)
			delete(hashes, k)
		}
		if f.Seq > after && !full() && wants(f) {
			v := &versionOf{Version: query.Version{Fact: f.Clone(), HashOK: hashOK(f), Follows: "yes"}}
			all, size = append(all, v), size+sizeOf(f)
			if f.Causation != "" {
				k := key{v.Fact.Store, v.Fact.Key}
				v.Follows, pending[k], hashes[k] = "gone", v, r.catalog.hash(ofKey, k.store, k.key)
			} else {
				v.describe()
			}
		}
		if len(pending) == 0 && (full() || f.Seq <= after) {
			break
		}
	}
	for _, v := range pending {
		v.describe()
	}
	return all, nil
}

// Change implements query.Reader.
func (r *Reader) Change(ctx context.Context, f *backend.Fact) (query.Version, bool) {
	e, err := r.engine(ctx, f.Store)
	if e == nil || err != nil {
		return query.Version{}, false
	}
	x := versionOf{Version: query.Version{Fact: *f, HashOK: hashOK(f), Follows: "yes"}}
	if f.Causation != "" {
		x.Follows = "gone"
	}
	if f.Seq > 1 {
		b, _, err := e.GetAt(ctx, f.Store, f.Key, store.AsOf(f.Seq-1))
		if err != nil {
			return query.Version{}, false
		}
		if before := b.Fact(); before.Seq != 0 {
			x.old, x.PreviousSeq, x.Follows = before.Value, before.Seq, follows(f, &before)
		}
	}
	x.describe()
	return x.Version, true
}
