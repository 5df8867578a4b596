// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// Diff implements query.Reader.
func (r *Reader) Diff(ctx context.Context, readable []string, q query.DiffQuery) (d query.Diff, err error) {
	if err := mayRead(readable, q.Store); err != nil {
		return d, err
	}
	limit := q.Limit
	if limit > query.MaxLimit {
		return d, &backend.InvalidError{Field: "limit", Reason: "above the greatest, which docs/limits.md names: go on with the next page"}
	}
	if q.Cursor != "" && q.Cursor[0] != ':' {
		return d, &backend.InvalidError{Field: "cursor", Reason: "not the next of a page"}
	}
	stats, err := r.reach(ctx, max(q.From.Seq, q.To.Seq))
	if err != nil {
		return d, err
	}
	d = query.Diff{Store: q.Store, Seq: stats.LastSeq, From: q.From, To: q.To, Keys: []query.KeyDiff{}}
	r.resolve(&q.From, q.Store, &stats)
	r.resolve(&q.To, q.Store, &stats)
	if q.Key != nil {
		err = r.diffKey(ctx, readable, q, &d)
		return d, err
	}
	e, err := r.loaded(ctx, q.Store, q.Load)
	if err != nil {
		return d, err
	}
	if e == nil {
		for _, at := range []query.Moment{q.From, q.To} {
			if _, err := r.whole(ctx, q.Store, at); err != nil {
				return d, err
			}
		}
		return d, nil
	}
	done, err := r.list(ctx)
	if err != nil {
		return d, err
	}
	defer done()
	d.Seq = e.Head()
	from := momentOf(q.From, d.Seq)
	if isEmpty(q.From) {
		from = store.AsOf(0)
	}
	list := func(m store.Moment) iter.Seq2[store.Record, error] {
		return e.List(ctx, q.Store, store.Query{At: m, ByKey: true, Prefix: q.Prefix})
	}
	size := 0
	for pair, err := range sideBySide(list(from), list(momentOf(q.To, d.Seq))) {
		if err != nil {
			return d, err
		}
		x, differs := differenceOf(pair[0], pair[1])
		if !differs {
			continue
		}
		count(&d, &x)
		switch {
		case d.Next != "" || limit == 0 || q.Cursor != "" && x.Key <= q.Cursor[1:]:
		case limit > 0 && (len(d.Keys) == limit || size > query.MaxAnswer):
			d.Next = ":" + d.Keys[len(d.Keys)-1].Key
		default:
			if pair[0].Seq() != 0 {
				x.From = &query.Record{}
				*x.From = recordOf(pair[0], limit < 0)
				size += sizeOf(&x.From.Fact)
			}
			if pair[1].Seq() != 0 {
				x.To = &query.Record{}
				*x.To = recordOf(pair[1], limit < 0)
				size += sizeOf(&x.To.Fact)
			}
			if x.From != nil && x.To != nil {
				x.Changes, x.MoreChanges = changesOf(pair[0].Value(), pair[1].Value())
			}
			d.Keys = append(d.Keys, x)
		}
	}
	return d, nil
}

// isEmpty reports whether the first moment of a difference is the empty log.
func isEmpty(from query.Moment) bool { return from.Seq == 0 && from.Time.IsZero() }

// diffKey is Diff for one key.
func (r *Reader) diffKey(ctx context.Context, readable []string, q query.DiffQuery, d *query.Diff) error {
	var both [2]backend.Fact
	for i, at := range []query.Moment{q.From, q.To} {
		if i == 0 && isEmpty(at) {
			continue
		}
		if i == 1 && at.Seq == 0 && d.Seq > 0 { // one state of the log
			at.Seq = d.Seq
		}
		v, err := r.Get(ctx, readable, q.Store, *q.Key, at)
		if err != nil && !errors.Is(err, query.ErrNotFound) {
			return err
		}
		if err == nil {
			both[i] = v.Fact
		}
	}
	x := query.KeyDiff{Key: *q.Key}
	from, to := &both[0], &both[1]
	switch {
	case from.Seq == to.Seq:
		return nil
	case from.Seq == 0:
		x.Kind, x.To = "entered", &query.Record{Fact: *to}
	case to.Seq == 0:
		x.Kind, x.From = "left", &query.Record{Fact: *from}
	default:
		x.Kind, x.From, x.To = "changed", &query.Record{Fact: *from}, &query.Record{Fact: *to}
		if x.Changes, x.MoreChanges = changesOf(from.Value, to.Value); len(x.Changes) == 0 {
			return nil
		}
	}
	count(d, &x)
	d.Keys = append(d.Keys, x)
	return nil
}

// count counts a key that differs.
func count(d *query.Diff, x *query.KeyDiff) {
	switch x.Kind {
	case "entered":
		d.Entered++
	case "left":
		d.Left++
	default:
		d.Changed++
	}
}

// differenceOf compares the records that a key has at two moments; the zero Record: it has none.
func differenceOf(from, to store.Record) (x query.KeyDiff, differs bool) {
	switch {
	case from.Seq() == to.Seq():
		return x, false
	case from.Seq() == 0:
		return query.KeyDiff{Key: to.Key(), Kind: "entered"}, true
	case to.Seq() == 0:
		return query.KeyDiff{Key: from.Key(), Kind: "left"}, true
	}
	return query.KeyDiff{Key: to.Key(), Kind: "changed"}, !equal(from.Value(), to.Value())
}

// sideBySide yields pairs of records from two lists that are ordered by key. A pair has the two records of one key,
// with the zero Record for a list that lacks the key.
func sideBySide(a, b iter.Seq2[store.Record, error]) iter.Seq2[[2]store.Record, error] {
	return func(yield func([2]store.Record, error) bool) {
		nextA, stopA := iter.Pull2(a)
		defer stopA()
		nextB, stopB := iter.Pull2(b)
		defer stopB()
		x, err, moreX := nextA()
		y, err2, moreY := nextB()
		for moreX || moreY {
			if err = errors.Join(err, err2); err != nil {
				yield([2]store.Record{}, err)
				return
			}
			order := strings.Compare(x.Key(), y.Key())
			switch {
			case !moreY:
				order = -1
			case !moreX:
				order = 1
			}
			var pair [2]store.Record
			if order <= 0 {
				pair[0] = x
				x, err, moreX = nextA()
			}
			if order >= 0 {
				pair[1] = y
				y, err2, moreY = nextB()
			}
			if !yield(pair, nil) {
				return
			}
		}
	}
}
