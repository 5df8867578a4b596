// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// maxGroups is how many groups a histogram lists. It counts up to maxDistinct groups.
const maxGroups = 100

// Histogram implements query.Reader.
func (r *Reader) Histogram(ctx context.Context, readable []string, q query.HistogramQuery) (h query.Histogram, err error) {
	stores := readable
	if q.Store != "" {
		if err := mayRead(readable, q.Store); err != nil {
			return h, err
		}
		stores = []string{q.Store}
	}
	switch {
	case q.Buckets == 0:
		q.Buckets = 60
	case q.Buckets < 0 || q.Buckets > 1000:
		return h, &backend.InvalidError{Field: "buckets", Reason: "not from 1 to 1000"}
	}
	stats, err := r.reach(ctx, q.AtSeq)
	if err != nil {
		return h, err
	}
	h = query.Histogram{Seq: stats.LastSeq, Store: q.Store}
	last := stats.LastSeq
	if q.AtSeq != 0 {
		last = min(last, q.AtSeq)
	}
	window := !q.True && !q.From.IsZero() && (q.ByStore || q.ByProducer) // facts outside are not counted
	var known, valid span                                                // of all facts, if an axis needs them
	switch {
	case !q.From.IsZero() && !q.To.IsZero():
	case q.Key != nil || q.AtSeq != 0:
		for f, err := range r.some(ctx, q, stores, 0, last) {
			if err != nil {
				return h, err
			}
			known.add(f.TransactionTime)
			valid.add(validOf(f))
		}
	default:
		if err := r.catalog.read(ctx, true, func(*backend.Stats) {
			if s := r.catalog.together(stores); s != nil {
				known, valid = span{s.early, s.late, true}, span{s.earlyTrue, s.lateTrue, true}
			}
		}); err != nil {
			return h, err
		}
	}
	after, through := uint64(0), last
	if window {
		if err := r.catalog.read(ctx, false, func(*backend.Stats) {
			var t uint64
			if after, t = r.catalog.span(q.From, q.To); t < r.catalog.through {
				through = min(through, t)
			}
		}); err != nil {
			return h, err
		}
	}
	if q.Known || !q.True {
		h.Known = known.axis(q)
	}
	if q.True {
		h.True = valid.axis(q)
	}
	var end query.Place
	groups := map[group]uint64{}
	for f, err := range r.some(ctx, q, stores, after, through) {
		if err != nil {
			return h, err
		}
		if t := f.TransactionTime; window && (t.Before(h.Known.From) || !t.Before(h.Known.To)) {
			continue
		}
		end = query.Place{Seq: f.Seq, Time: f.TransactionTime}
		if h.First == nil {
			first := end
			h.First, h.Last = &first, &end
		}
		if !f.ValidTime.IsZero() {
			h.Dated++
		}
		in := count1(h.Known, f.TransactionTime)
		in = count1(h.True, validOf(f)) && h.Known == nil || in
		if in && (q.ByStore || q.ByProducer) {
			var g group
			if q.ByStore {
				g.store = f.Store
			}
			if q.ByProducer {
				g.producer = string(f.Producer)
			}
			if _, ok := groups[g]; ok || len(groups) < maxDistinct && len(g.producer) <= maxFacet {
				groups[g]++
			} else {
				h.MoreGroups = true
			}
		}
	}
	if q.AtSeq != 0 { // asked after the read
		stats, err := r.log.Stats(ctx)
		if err == nil {
			err = stats.Whole(q.AtSeq, stores)
		}
		if err != nil {
			return query.Histogram{}, err
		}
	}
	all := slices.SortedFunc(maps.Keys(groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(groups[b], groups[a]), cmp.Compare(a.store, b.store), cmp.Compare(a.producer, b.producer))
	})
	if len(all) > maxGroups {
		all, h.MoreGroups = all[:maxGroups], true
	}
	for _, g := range all {
		h.Groups = append(h.Groups, query.Group{Store: g.store, Producer: json.RawMessage(g.producer), Facts: groups[g]})
	}
	return h, nil
}

type group struct{ store, producer string }

// some yields the facts that a histogram counts: from memory if their store is loaded, otherwise from the log. Only the
// fields that a histogram needs are set, and a fact is valid until the next one.
func (r *Reader) some(ctx context.Context, q query.HistogramQuery, stores []string, after, through uint64) iter.Seq2[*backend.Fact, error] {
	return func(yield func(*backend.Fact, error) bool) {
		var e *store.Engine
		var in parts
		var err error
		if q.Store != "" && q.Key == nil {
			e, err = r.engine(ctx, q.Store)
		}
		if err == nil && e == nil {
			in, err = r.searchWithin(ctx, stores, q.Key)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if e != nil {
			f := backend.Fact{Store: q.Store}
			for x, err := range e.Facts(ctx, q.Store, after) {
				if errors.Is(err, backend.ErrCompacted) {
					continue // a histogram counts the facts that are left
				}
				if err != nil {
					yield(nil, err)
					return
				}
				f.Seq, f.TransactionTime, f.ValidTime = x.Seq(), x.TransactionTime(), x.ValidTime()
				if q.ByProducer {
					f.Producer = x.Producer()
				}
				if f.Seq > through || !yield(&f, nil) {
					return
				}
			}
			return
		}
		for f, err := range r.forward(ctx, in, after, through, stores) {
			if err == nil && q.Key != nil && f.Key != *q.Key {
				continue
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

// A span is the time between the first and the last of some times.
type span struct {
	from, to time.Time
	any      bool
}

func (s *span) add(t time.Time) {
	if !s.any {
		*s = span{t, t, true}
		return
	}
	s.from, s.to = earlier(s.from, t), later(s.to, t)
}

// latest is the latest time that a fact can have. JSON has no later one, so an axis that ends there includes it.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)

// axis returns an axis over the span, or over q's From and To if they are set.
func (s *span) axis(q query.HistogramQuery) *query.Axis {
	from, to := s.from, earlier(s.to.Add(1), latest)
	if !q.From.IsZero() {
		from = q.From
	}
	if !q.To.IsZero() {
		to = q.To
	}
	return &query.Axis{From: from, To: to, Counts: make([]uint64, q.Buckets)}
}

// count1 counts a time, and reports whether it is in a bucket.
func count1(a *query.Axis, t time.Time) bool {
	switch {
	case a == nil:
		return false
	case t.Before(a.From):
		a.Before++
		return false
	case !t.Before(a.To) && !t.Equal(latest):
		a.After++
		return false
	}
	i := math.Floor(seconds(t, a.From) / seconds(a.To, a.From) * float64(len(a.Counts)))
	a.Counts[max(0, min(int(i), len(a.Counts)-1))]++
	a.Facts++
	return true
}

// seconds returns the time between two times; a time.Duration has at most 292 years.
func seconds(t, from time.Time) float64 {
	return float64(t.Unix()-from.Unix()) + float64(t.Nanosecond()-from.Nanosecond())/1e9
}
