// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// maxDistinct is how many different values of a facet are counted, and maxFacet how many bytes a counted value may
// have.
const (
	maxDistinct = 10_000
	maxFacet    = 256
	maxFacets   = 8
	maxWhere    = 16
)

// Keys implements query.Reader.
func (r *Reader) Keys(ctx context.Context, readable []string, q query.KeysQuery) (k query.Keys, err error) {
	if err := mayRead(readable, q.Store); err != nil {
		return k, err
	}
	limit, err := limitOf(q.Limit, query.MaxLimit)
	if err != nil {
		return k, err
	}
	if len(q.Facets) > maxFacets {
		return k, &backend.InvalidError{Field: "facet", Reason: fmt.Sprintf("more than %d", maxFacets)}
	}
	if len(q.Where) > maxWhere {
		return k, &backend.InvalidError{Field: "where", Reason: fmt.Sprintf("more than %d", maxWhere)}
	}
	stats, err := r.reach(ctx, q.At.Seq)
	if err != nil {
		return k, err
	}
	asked := q.At
	r.resolve(&q.At, q.Store, &stats)
	from := 0
	if q.Cursor != "" {
		if from, err = resume(&q, &stats); err != nil {
			return k, err
		}
	}
	e, err := r.loaded(ctx, q.Store, q.Load)
	if err != nil {
		return k, err
	}
	k = query.Keys{Store: q.Store, Seq: stats.LastSeq, At: asked, Records: []query.Record{}}
	if e == nil {
		err = r.nothing(ctx, readable, q, &k)
		return k, err
	}
	if k.Seq = e.Head(); q.Cursor != "" && asked.Seq == 0 {
		k.Seq = q.At.Seq
	}
	done, err := r.list(ctx)
	if err != nil {
		return k, err
	}
	defer done()
	matching, err := matching(ctx, e, q, &k)
	if err != nil {
		return k, err
	}
	if k.Place, err = r.place(ctx, readable, q.At, k.Seq); err != nil {
		return k, err
	}
	if h := e.Horizon(q.Store); !h.IsZero() {
		k.Horizon = &h
	}
	size := 0
	for i, x := range matching[min(from, len(matching)):] {
		if limit >= 0 && (i == limit || size > query.MaxAnswer) {
			k.Next = pageAfter(&q, stats.Log, k.Seq, from+i)
			break
		}
		rec := recordOf(x, limit < 0)
		size += sizeOf(&rec.Fact)
		k.Records = append(k.Records, rec)
	}
	k.Fields = fieldsOf(k.Records)
	return k, nil
}

// nothing fills in the answer for a store without facts.
func (r *Reader) nothing(ctx context.Context, readable []string, q query.KeysQuery, k *query.Keys) error {
	h, err := r.whole(ctx, q.Store, q.At)
	if err != nil {
		return err
	}
	if !h.IsZero() {
		k.Horizon = &h
	}
	for _, f := range q.Facets {
		if k.Facets == nil {
			k.Facets = map[string]query.Facet{}
		}
		k.Facets[f] = (&facet{}).answer()
	}
	k.Place, err = r.place(ctx, readable, q.At, k.Seq)
	return err
}

// matching returns the records that match, in q's order, and counts them in k.
func matching(ctx context.Context, e *store.Engine, q query.KeysQuery, k *query.Keys) (all []store.Record, err error) {
	order, descending := strings.CutPrefix(q.Order, "-")
	list := store.Query{At: momentOf(q.At, k.Seq), Descending: descending}
	switch order {
	case "", "first":
	case "key":
		list.ByKey = true
	case "changed":
		list.Descending = false
	default:
		field, ok := strings.CutPrefix(order, "value.")
		if !ok || field == "" {
			return nil, &backend.InvalidError{Field: "order", Reason: fmt.Sprintf("%.200q is none of first, key, changed and value.FIELD, with or without - before it", q.Order)}
		}
		list.OrderBy = store.Field(field)
	}
	facets := map[string]*facet{}
	for _, f := range q.Facets {
		facets[f] = &facet{counts: map[string]int{}, texts: map[string]json.RawMessage{}}
	}
	var ended error
	list.Where = func(x store.Record) bool {
		if k.Keys++; k.Keys%1024 == 0 {
			ended = ctx.Err()
		}
		if ended != nil || !strings.HasPrefix(x.Key(), q.Prefix) {
			return false
		}
		unmet, more := unmet(q.Where, x.Value(), facets)
		for name, f := range facets {
			switch {
			case unmet != "" && (more || name != unmet):
			case name == "producer":
				f.add(x.Producer())
			default:
				f.add(query.Member(x.Value(), name))
			}
		}
		return unmet == ""
	}
	for x, err := range e.List(ctx, q.Store, list) {
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	if ended != nil {
		return nil, ended
	}
	if order == "changed" {
		slices.SortFunc(all, func(a, b store.Record) int {
			if descending {
				a, b = b, a
			}
			return cmp.Compare(a.Seq(), b.Seq())
		})
	}
	k.Count = len(all)
	for name, f := range facets {
		if k.Facets == nil {
			k.Facets = map[string]query.Facet{}
		}
		k.Facets[name] = f.answer()
	}
	return all, nil
}

// unmet returns the field of a condition that a value does not meet; "" if it meets all. more is true if the value
// fails conditions of several fields, or if no facet counts the field.
func unmet(all []query.Condition, value []byte, facets map[string]*facet) (field string, more bool) {
	for i := range all {
		c := &all[i]
		if c.Field == field || c.Holds(value) {
			continue
		}
		if field != "" || facets[c.Field] == nil || c.Field == "producer" { // that facet is not of the value
			return c.Field, true
		}
		field = c.Field
	}
	return field, false
}

// pageAfter returns the cursor of the page that begins after the first n records that q lists in a log through a seq.
// All pages of a list show one state of the log. Otherwise the page after a deletion would skip a key.
func pageAfter(q *query.KeysQuery, log backend.LogID, seq uint64, n int) string {
	c := backend.Cursor{Log: log, Seq: cmp.Or(q.At.Seq, seq)}
	times := ""
	for _, t := range []time.Time{q.At.Time, q.At.Valid} {
		if times += ","; !t.IsZero() {
			times += string(wire.AppendTime(nil, t))
		}
	}
	return fmt.Sprintf("%s%s,%d,%x", c, times, n, questionOf(q))
}

// resume sets the moment of q to the moment in its cursor, and returns how many records earlier pages had.
func resume(q *query.KeysQuery, stats *backend.Stats) (n int, err error) {
	wrong := &backend.InvalidError{Field: "cursor", Reason: "not the next of a page of this list"}
	parts := strings.Split(q.Cursor, ",")
	if len(parts) != 5 {
		return 0, wrong
	}
	c, err := backend.ParseCursor(parts[0])
	if err != nil || c.Seq == 0 || q.At.Seq != 0 && q.At.Seq != c.Seq {
		return 0, wrong
	}
	if _, err := stats.Resume(c); err != nil {
		return 0, err
	}
	at := query.Moment{Seq: c.Seq}
	for i, t := range []*time.Time{&at.Time, &at.Valid} {
		if parts[1+i] == "" {
			continue
		}
		if *t, err = wire.ParseTime([]byte(parts[1+i])); err != nil {
			return 0, wrong
		}
	}
	before, err := strconv.ParseUint(parts[3], 10, 31)
	if err != nil || parts[4] != fmt.Sprintf("%x", questionOf(q)) || at.Time.IsZero() != q.At.Time.IsZero() || at.Valid.IsZero() != q.At.Valid.IsZero() {
		return 0, wrong
	}
	q.At = at
	return int(before), nil
}

// questionOf returns a hash of the question, without its moment.
func questionOf(q *query.KeysQuery) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%q %q %q %q", q.Store, q.Prefix, q.Order, q.Where)
	return h.Sum64()
}

// recordOf returns a record in the form of answers.
func recordOf(x store.Record, whole bool) query.Record {
	r := query.Record{Fact: x.Fact(), Version: uint64(x.Version())}
	if n := len(r.Fact.Value); n > query.MaxValue && !whole {
		r.Fact.Value, r.ValueBytes = nil, n
	}
	return r
}

// A facet counts values.
type facet struct {
	counts  map[string]int // by the form that is equal for equal values
	texts   map[string]json.RawMessage
	missing int
}

func (f *facet) add(value []byte) {
	if value == nil {
		f.missing++
		return
	}
	if len(value) > maxFacet {
		return
	}
	form, err := jsonvalue.AppendEqual(nil, value, backend.MaxDepth)
	if err != nil {
		return
	}
	if _, known := f.counts[string(form)]; !known {
		if len(f.counts) == maxDistinct {
			return
		}
		f.texts[string(form)] = slices.Clone(value)
	}
	f.counts[string(form)]++
}

func (f *facet) answer() query.Facet {
	a := query.Facet{Values: []query.FacetValue{}, Distinct: len(f.counts), Missing: f.missing}
	for _, form := range most(f.counts, 10) {
		a.Values = append(a.Values, query.FacetValue{Value: f.texts[form], Count: f.counts[form]})
	}
	return a
}

// most returns the keys with the greatest counts.
func most(counts map[string]int, n int) []string {
	all := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	return all[:min(n, len(all))]
}

// fieldsOf returns the names of members that values of a page have, the most frequent first.
func fieldsOf(records []query.Record) []string {
	counts := map[string]int{}
	for i := range records {
		value := records[i].Fact.Value
		if len(value) == 0 || value[0] != '{' {
			continue
		}
		_, _ = jsonvalue.Object(value, 0, func(key string, at int) (int, error) {
			if len(counts) < maxDistinct && len(key) <= maxFacet {
				counts[key]++
			}
			return jsonvalue.Skip(value, at), nil
		})
	}
	return most(counts, 32)
}
