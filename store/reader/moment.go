// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// Moment implements query.Reader.
func (r *Reader) Moment(ctx context.Context, readable []string, q query.MomentQuery) (a query.MomentAnswer, err error) {
	stores := readable
	if q.Store != "" {
		if err := mayRead(readable, q.Store); err != nil {
			return a, err
		}
		stores = []string{q.Store}
	}
	stats, err := r.reach(ctx, q.Seq)
	if err != nil {
		return a, err
	}
	a.Seq = stats.LastSeq
	through := stats.LastSeq
	if q.Seq != 0 {
		through = q.Seq
	} else if !q.At.IsZero() {
		if through, err = r.until(ctx, q.At, through); err != nil {
			return a, err
		}
	}
	in, err := r.searchWithin(ctx, stores, q.Key)
	if err != nil {
		return a, err
	}
	has := func(f *backend.Fact) bool { return q.Key == nil || f.Key == *q.Key }
	then := func(f *backend.Fact) bool {
		return q.Seq != 0 || q.At.IsZero() || !f.TransactionTime.After(q.At)
	}
	for f, err := range r.backward(ctx, in, 0, through, stores, 2, func(f *backend.Fact) bool { return has(f) && then(f) }) {
		if err != nil {
			return a, err
		}
		place := &query.Place{Seq: f.Seq, Time: f.TransactionTime}
		if a.At == nil {
			a.At = place
			continue
		}
		a.Previous = place
		break
	}
	after := uint64(0)
	switch {
	case q.Seq != 0:
		after = q.Seq
	case a.At != nil:
		after = a.At.Seq
	}
	for f, err := range r.forward(ctx, in, after, stats.LastSeq, stores) {
		if err != nil {
			return a, err
		}
		if has(f) && (q.Seq != 0 || !then(f)) {
			a.Next = &query.Place{Seq: f.Seq, Time: f.TransactionTime}
			break
		}
	}
	return a, nil
}

// until returns a seq after which no fact was taken in at or before a time.
func (r *Reader) until(ctx context.Context, at time.Time, last uint64) (through uint64, err error) {
	if through = last; r.opts.Once {
		return through, nil
	}
	err = r.catalog.read(ctx, false, func(*backend.Stats) {
		if _, t := r.catalog.span(time.Time{}, at.Add(1)); t < r.catalog.through {
			through = min(through, t)
		}
	})
	return through, err
}

// place returns the place of the last fact that is visible at a moment; last is the log's last seq. If the moment has a
// seq and no time, the place has this seq and the time of the last visible fact.
func (r *Reader) place(ctx context.Context, readable []string, at query.Moment, last uint64) (p query.Place, err error) {
	if at.Seq != 0 {
		last = at.Seq
	}
	through := last
	if !at.Time.IsZero() {
		if through, err = r.until(ctx, at.Time, last); err != nil {
			return p, err
		}
	}
	then := func(f *backend.Fact) bool { return at.Time.IsZero() || !f.TransactionTime.After(at.Time) }
	for f, err := range r.backward(ctx, parts{}, 0, through, readable, 1, then) {
		if err != nil {
			return p, err
		}
		if p = (query.Place{Seq: f.Seq, Time: f.TransactionTime}); at.Time.IsZero() && at.Seq != 0 {
			p.Seq = at.Seq
		}
		break
	}
	return p, nil
}
