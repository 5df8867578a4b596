// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// Get implements query.Reader.
func (r *Reader) Get(ctx context.Context, readable []string, name, key string, at query.Moment) (query.Value, error) {
	if err := mayRead(readable, name); err != nil {
		return query.Value{}, err
	}
	stats, err := r.reach(ctx, at.Seq)
	if err != nil {
		return query.Value{}, err
	}
	e, err := r.engine(ctx, name)
	if err != nil {
		return query.Value{}, err
	}
	r.resolve(&at, name, &stats)
	v := query.Value{Seq: stats.LastSeq}
	if e != nil {
		v.Seq = e.Head()
		var found store.Record
		if found, _, err = e.GetAt(ctx, name, key, momentOf(at, v.Seq)); err != nil {
			return query.Value{}, err
		}
		v.Fact = found.Fact()
		var room backend.Room // memory is read here, so no log asks for room
		if err := room.Hold(ctx, len(v.Fact.Value)); err != nil {
			return query.Value{}, err
		}
	} else if v.Fact, err = r.find(ctx, name, key, at, stats.LastSeq); err != nil {
		return query.Value{}, err
	}
	switch {
	case v.Fact.Seq == 0:
		return v, &query.NoValueError{Store: name, Key: key, Seq: v.Seq}
	case v.Fact.Retraction():
		return v, &query.NoValueError{Store: name, Key: key, Seq: v.Seq, Deleted: &v.Fact}
	}
	return v, nil
}

// momentOf returns a resolved moment for an engine: the present is the log through head.
func momentOf(at query.Moment, head uint64) store.Moment {
	m := store.AsOf(head)
	if at.Seq != 0 {
		m = store.AsOf(at.Seq)
	}
	m.Time, m.Valid = at.Time, at.Valid
	return m
}

// find returns the fact of a key that is visible and valid at a moment, read from the log; the zero Fact if none exists.
func (r *Reader) find(ctx context.Context, name, key string, at query.Moment, last uint64) (found backend.Fact, err error) {
	in, err := r.searchFor(ctx, ofKey, name, key)
	if err != nil {
		return found, err
	}
	if at.Seq != 0 {
		last = min(last, at.Seq)
	}
	stores := []string{name}
	if at.Valid.IsZero() {
		wants := func(f *backend.Fact) bool {
			return f.Key == key && (at.Time.IsZero() || !f.TransactionTime.After(at.Time))
		}
		for f, err := range r.backward(ctx, in, 0, last, stores, 1, wants) {
			if err != nil {
				return found, err
			}
			found = *f
			break
		}
	} else {
		var best time.Time
		for f, err := range r.forward(ctx, in, 0, last, stores) {
			if err != nil {
				return found, err
			}
			if valid := validOf(f); f.Key == key && visible(f, at) && (found.Seq == 0 || !valid.Before(best)) {
				found, best = f.Clone(), valid
			}
		}
	}
	if _, err := r.whole(ctx, name, at); err != nil {
		return backend.Fact{}, err
	}
	r.often(ctx, name)
	return found, nil
}

// resolve replaces ValidNow with a valid time: the latest of the clock, the log's last time and the store's horizon. So
// a read of the present is never ErrCompacted, and a fact without a valid time is valid at once.
func (r *Reader) resolve(at *query.Moment, name string, stats *backend.Stats) {
	if at.ValidNow {
		at.Valid, at.ValidNow = later(later(r.opts.now(), stats.LastTime), stats.Horizon(name).Time), false
	}
}

// visible reports whether a fact is visible and valid at a moment.
func visible(f *backend.Fact, at query.Moment) bool {
	return (at.Seq == 0 || f.Seq <= at.Seq) && (at.Time.IsZero() || !f.TransactionTime.After(at.Time)) && (at.Valid.IsZero() || !validOf(f).After(at.Valid))
}

// validOf returns since when a fact is true.
func validOf(f *backend.Fact) time.Time {
	if f.ValidTime.IsZero() {
		return f.TransactionTime
	}
	return f.ValidTime
}
