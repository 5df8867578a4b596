// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/query"
)

// stores answers with the stores of the log.
func (h *Handler) stores(x *exchange, r *http.Request, q *request) error {
	p := given(r, "days", "after")
	ask := query.StoresQuery{Days: int(p.number("days", 30, 0, 366)), After: p.Get("after")}
	if p.err != nil {
		return p.err
	}
	all, err := q.reader.Stores(r.Context(), q.stores(), ask)
	if err != nil {
		return err
	}
	return h.found(x, r, all.Seq, all)
}

// keys answers with a page of the keys of a store.
func (h *Handler) keys(x *exchange, r *http.Request, q *request) error {
	p := given(r, "as_of", "at_seq", "valid_at", "prefix", "where", "order", "limit", "cursor", "facet", "load")
	ask := query.KeysQuery{Store: q.args[0], At: p.moment(), Prefix: p.Get("prefix"), Where: p.where(), Order: p.Get("order"), Facets: p.Values["facet"],
		Limit: int(p.number("limit", 100, 1, query.MaxLimit)), Cursor: p.Get("cursor"), Load: p.flag("load")}
	if p.err != nil {
		return p.err
	}
	page, err := q.reader.Keys(r.Context(), q.stores(), ask)
	if err != nil {
		return err
	}
	return h.found(x, r, page.Seq, page)
}

// history answers with versions of a key.
func (h *Handler) history(x *exchange, r *http.Request, q *request) error {
	p := given(r, "as_of", "at_seq", "valid_at", "limit", "before", "ticks")
	ask := query.HistoryQuery{Store: q.args[0], Key: q.args[1], At: p.moment(), Before: p.seq("before"), Limit: int(p.number("limit", 100, 1, query.MaxLimit)), Ticks: p.flag("ticks")}
	if p.err != nil {
		return p.err
	}
	page, err := q.reader.History(r.Context(), q.stores(), ask)
	if err == nil && page.Versions == 0 {
		err = &query.NoValueError{Store: ask.Store, Key: ask.Key, Seq: page.Seq}
	}
	if err != nil {
		return err
	}
	return h.found(x, r, page.Seq, page)
}

// fact answers with one fact.
func (h *Handler) fact(x *exchange, r *http.Request, q *request) error {
	p := given(r, "store")
	store := p.store()
	if p.err != nil {
		return p.err
	}
	v, err := q.reader.Fact(r.Context(), q.stores(), store, q.args[0])
	if err != nil {
		return err
	}
	return h.found(x, r, v.Fact.Seq, v)
}

// lineage answers with the facts that led to a fact, and the facts to which it led.
func (h *Handler) lineage(x *exchange, r *http.Request, q *request) error {
	p := given(r, "store", "depth", "effects", "limit", "values")
	ask := query.LineageQuery{ID: q.args[0], Store: p.store(), Effects: p.flag("effects"), Values: p.flag("values"), Limit: int(p.number("limit", 100, 1, query.MaxFacts))}
	if text := p.Get("depth"); text == "all" {
		ask.Depth = -1
	} else {
		ask.Depth = int(p.number("depth", 2, 1, query.MaxFacts))
	}
	if p.err != nil {
		return p.err
	}
	l, err := q.reader.Lineage(r.Context(), q.stores(), ask)
	if err != nil {
		return err
	}
	return h.found(x, r, l.Seq, l)
}

// diff answers with the differences between two moments.
func (h *Handler) diff(x *exchange, r *http.Request, q *request) error {
	p := given(r, "from", "to", "from_valid", "to_valid", "prefix", "key", "limit", "cursor", "load")
	ask := query.DiffQuery{Store: q.args[0], Key: p.key(), Prefix: p.Get("prefix"), From: p.between("from", "from_valid"), To: p.between("to", "to_valid"),
		Limit: int(p.number("limit", 100, 0, query.MaxLimit)), Cursor: p.Get("cursor"), Load: p.flag("load")}
	if p.err != nil {
		return p.err
	}
	if p.Get("from") == now { // everything in the log, as for to
		stats, err := q.log.Stats(r.Context())
		if err != nil {
			return err
		}
		ask.From.Seq, ask.From.Time = stats.LastSeq, time.Time{}
	}
	d, err := q.reader.Diff(r.Context(), q.stores(), ask)
	if err != nil {
		return err
	}
	return h.found(x, r, d.Seq, d)
}

// histogram answers with the number of facts over time.
func (h *Handler) histogram(x *exchange, r *http.Request, q *request) error {
	p := given(r, "store", "key", "axis", "from", "to", "buckets", "by", "at_seq")
	axis := p.Get("axis")
	by := p.Values["by"]
	ask := query.HistogramQuery{Store: p.store(), Key: p.key(), Known: axis != "true", True: axis == "true" || axis == "both", From: p.time("from"), To: p.time("to"),
		Buckets: int(p.number("buckets", 60, 1, 1000)), ByStore: slices.Contains(by, "store"), ByProducer: slices.Contains(by, "producer"), AtSeq: p.seq("at_seq")}
	if !slices.Contains([]string{"", "known", "true", "both"}, axis) {
		p.wrong("axis", "%q is not known, true or both", clip(axis))
	}
	for _, name := range by {
		if name != "store" && name != "producer" {
			p.wrong("by", "%q is neither store nor producer", clip(name))
		}
	}
	if p.err != nil {
		return p.err
	}
	all, err := q.reader.Histogram(r.Context(), q.stores(), ask)
	if err != nil {
		return err
	}
	return h.found(x, r, all.Seq, all)
}

// moment answers with the position of a moment in the log.
func (h *Handler) moment(x *exchange, r *http.Request, q *request) error {
	p := given(r, "at", "seq", "store", "key")
	ask := query.MomentQuery{At: p.unlessNow("at"), Seq: p.seq("seq"), Store: p.store(), Key: p.key()}
	if p.Has("at") && p.Has("seq") {
		p.wrong("seq", "given with at: give one of them")
	}
	if p.err != nil {
		return p.err
	}
	m, err := q.reader.Moment(r.Context(), q.stores(), ask)
	if err != nil {
		return err
	}
	return h.found(x, r, m.Seq, m)
}

// setSeq sets the header with the seq at which a stream begins.
func setSeq(x *exchange, seq uint64) {
	x.Header().Set("Igniter-Seq", strconv.FormatUint(seq, 10))
}
