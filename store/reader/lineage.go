// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// A link leads from a fact to a fact that it names as a cause or source. IDs are unique within a store only.
type link struct {
	query.Link
	to    store.Source
	other bool // if the store has no such fact, the link leads to the first fact in the log with the ID, if that is before the fact
}

// maxLinks is how many links of one fact are followed and listed. maxListed is how many links are listed on either side
// of a lineage.
const (
	maxLinks  = query.MaxFacts
	maxListed = 5 * maxLinks
)

// linksOf returns the links that a fact itself names: the sources of its rule, and its causation, which may be of the
// same key or not. more is the number of sources that were left out.
func linksOf(f *backend.Fact) (links []link, more int) {
	add := func(kind, rule string, to store.Source, other bool) {
		links = append(links, link{query.Link{From: f.ID, FromSeq: f.Seq, To: to.ID, Kind: kind, Rule: rule}, to, other})
	}
	if f.Causation != "" {
		add("causation", "", store.Source{Store: f.Store, ID: f.Causation}, true)
	}
	rule, sources := store.SourcesOf(f.Derivation)
	if more = len(sources) - maxLinks; more > 0 {
		sources = sources[:maxLinks]
	}
	for _, s := range sources {
		add("source", rule, s, s.Store == "") // earlier releases did not name stores
	}
	return links, max(more, 0)
}

// ancestry is the facts that led to a fact, as far as they were found.
type ancestry struct {
	facts   map[uint64]*query.FactRef
	named   map[store.Source]uint64 // the seqs of facts
	firsts  map[string]uint64       // by ID, if it was looked for in all stores: the seq of the first fact with the ID; 0: none
	wanted  map[store.Source]want
	missing map[store.Source]bool // the facts that were looked for and not found
	depth   int
	hash    func(id string) uint64
	limit   int
	cut     bool // depth or limit left something out
}

// A want is a fact to look for.
type want struct {
	depth int    // how many links away it is
	other bool   // see link
	hash  uint64 // of its ID as a topic
}

// take adds a fact, and wants the facts that it names in turn.
func (a *ancestry) take(f *backend.Fact, depth int) {
	a.named[store.Source{Store: f.Store, ID: f.ID}] = f.Seq
	if a.facts[f.Seq] != nil {
		return
	}
	a.facts[f.Seq] = &query.FactRef{Fact: f.Clone(), Depth: depth}
	links, more := linksOf(f)
	a.cut = a.cut || more > 0
	for _, l := range links {
		if a.resolve(&l) != 0 || a.missing[l.to] {
			continue
		}
		if depth == a.depth || len(a.facts)+len(a.wanted) >= a.limit {
			a.cut = true
			continue
		}
		w, ok := a.wanted[l.to]
		if !ok {
			w.hash = a.hash(l.To)
		}
		if !ok || depth+1 < w.depth {
			w.depth = depth + 1
		}
		w.other = w.other || l.other
		a.wanted[l.to] = w
	}
}

// resolve returns the seq of the fact that a link leads to; 0: it is not here.
func (a *ancestry) resolve(l *link) uint64 {
	if seq := a.named[l.to]; seq != 0 || !l.other || !a.missing[l.to] {
		return seq
	}
	if seq := a.firsts[l.To]; seq < l.FromSeq && a.facts[seq] != nil {
		return seq
	}
	return 0
}

// look reads the log backwards until no fact is wanted, or the log begins. If it found something, it reads the log
// again: an import may write a cause after its effect.
func (r *Reader) look(ctx context.Context, readable []string, last uint64, a *ancestry) error {
	in, err := r.search(ctx, func(f *filter) bool {
		for _, w := range a.wanted {
			if f.has(w.hash) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	for len(a.wanted) > 0 {
		found := false
		for f, err := range r.backward(ctx, in, 0, last, readable, 0, nil) {
			if err != nil {
				return err
			}
			name := store.Source{Store: f.Store, ID: f.ID}
			w, wanted := a.wanted[name]
			if !wanted {
				continue
			}
			delete(a.wanted, name)
			a.take(f, w.depth)
			if found = true; len(a.wanted) == 0 {
				break
			}
		}
		if found {
			continue
		}
		if err := r.lookElsewhere(ctx, readable, last, a); err != nil {
			return err
		}
	}
	return nil
}

// lookElsewhere looks in all stores for the wanted facts that are not in their own store, and marks the rest as
// missing.
func (r *Reader) lookElsewhere(ctx context.Context, readable []string, last uint64, a *ancestry) error {
	depths, hashes := map[string]int{}, map[string]uint64{}
	for name, w := range a.wanted {
		a.missing[name] = true
		if first, known := a.firsts[name.ID]; w.other && (!known || first != 0 && a.facts[first] == nil) {
			if d, ok := depths[name.ID]; !ok || w.depth < d {
				depths[name.ID], hashes[name.ID] = w.depth, w.hash
			}
		}
	}
	clear(a.wanted)
	in, err := r.search(ctx, func(f *filter) bool {
		for id := range depths {
			if f.has(hashes[id]) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	for f, err := range r.forward(ctx, in, 0, last, readable) {
		if err != nil {
			return err
		}
		if len(depths) == 0 {
			break
		}
		depth, wanted := depths[f.ID]
		if !wanted {
			continue
		}
		delete(depths, f.ID)
		a.firsts[f.ID] = f.Seq
		if a.precedes(f) {
			a.take(f, depth)
		}
	}
	for id := range depths {
		a.firsts[id] = 0
	}
	return nil
}

// precedes reports whether a fact is before a fact that names its ID.
func (a *ancestry) precedes(f *backend.Fact) bool {
	for _, x := range a.facts {
		if x.Fact.Seq <= f.Seq {
			continue
		}
		if links, _ := linksOf(&x.Fact); slices.ContainsFunc(links, func(l link) bool { return l.other && l.To == f.ID }) {
			return true
		}
	}
	return false
}

// Lineage implements query.Reader.
func (r *Reader) Lineage(ctx context.Context, readable []string, q query.LineageQuery) (l query.Lineage, err error) {
	limit, err := limitOf(q.Limit, query.MaxFacts)
	if err != nil {
		return l, err
	}
	if limit < 0 {
		limit = math.MaxInt
	}
	switch {
	case q.Depth == 0:
		q.Depth = 2
	case q.Depth < 0:
		q.Depth = math.MaxInt
	}
	stats, err := r.log.Stats(ctx)
	if err != nil {
		return l, err
	}
	f, err := r.named(ctx, readable, stats.LastSeq, q.Store, q.ID)
	if err != nil {
		return l, err
	}
	a := ancestry{facts: map[uint64]*query.FactRef{}, named: map[store.Source]uint64{}, firsts: map[string]uint64{}, wanted: map[store.Source]want{},
		missing: map[store.Source]bool{}, hash: func(id string) uint64 { return r.catalog.hash(withID, "", id) }, depth: q.Depth, limit: limit}
	a.take(&f, 0)
	if err := r.look(ctx, readable, stats.LastSeq, &a); err != nil {
		return l, err
	}
	self := a.facts[f.Seq]
	l = query.Lineage{ID: q.ID, Seq: stats.LastSeq, Whole: !a.cut, Verified: true, Links: []query.Link{}}
	refs := slices.SortedFunc(maps.Values(a.facts), func(x, y *query.FactRef) int {
		if (x == self) != (y == self) { // the last, even if an import wrote one of its causes later
			return map[bool]int{true: 1, false: -1}[x == self]
		}
		return cmp.Compare(x.Fact.Seq, y.Fact.Seq)
	})
	proved := make([]store.FactRef, 0, len(refs))
	for _, x := range refs {
		links, _ := linksOf(&x.Fact)
		if len(l.Links)+len(links) > maxListed && q.Limit >= 0 {
			l.Whole, links = false, nil
		}
		for _, link := range links {
			link.ToSeq = a.resolve(&link)
			if link.ToSeq == 0 && a.missing[link.to] {
				l.Missing = append(l.Missing, link.To)
			}
			l.Links = append(l.Links, resolved(link.Link, &x.Fact, a.facts[link.ToSeq]))
		}
		if !hashOK(&x.Fact) {
			l.Verified, l.Problem = false, fmt.Sprintf("the value of fact %s has another hash than the fact says", x.Fact.ID)
		}
		proved = append(proved, store.RefOf(&x.Fact))
	}
	slices.Sort(l.Missing)
	l.Missing = slices.Compact(l.Missing)
	if l.Proof, err = store.ProofOf(proved); err != nil {
		return l, err
	}
	for _, x := range refs {
		l.Facts = append(l.Facts, refOf(x, q.Values))
	}
	if q.Effects {
		effects, err := r.effects(ctx, readable, &self.Fact, stats.LastSeq, q, limit)
		if err != nil {
			return l, err
		}
		l.Effects = &effects
	}
	return l, nil
}

// resolved returns a link with its Kind set according to the fact that it leads to; to is nil if that fact is not here.
func resolved(l query.Link, from *backend.Fact, to *query.FactRef) query.Link {
	if to != nil && l.Kind == "causation" {
		l.Kind = causationOf(from, &to.Fact)
	}
	return l
}

// causationOf returns the Kind of a link from a fact to its causation.
func causationOf(from, to *backend.Fact) string {
	if from.Store == to.Store && from.Key == to.Key {
		return "follows"
	}
	return "cause"
}

// refOf returns a fact of a lineage in the form of answers.
func refOf(x *query.FactRef, values bool) query.FactRef {
	ref := *x
	if n := len(ref.Fact.Value); !values || n > query.MaxChange {
		ref.Fact.Value = nil
		ref.ValueBytes = n
	}
	return ref
}

// effects returns the facts that a fact led to, among the later facts of the log.
func (r *Reader) effects(ctx context.Context, readable []string, self *backend.Fact, last uint64, q query.LineageQuery, limit int) (e query.Effects, err error) {
	e = query.Effects{Facts: []query.FactRef{}, Links: []query.Link{}, Through: last}
	known := map[store.Source]*query.FactRef{{Store: self.Store, ID: self.ID}: {Fact: *self}}
	ids := map[string][]*query.FactRef{self.ID: {{Fact: *self}}} // the same facts by ID
	strays := map[store.Source]uint64{}                          // the seqs to which links into other stores lead
	hashes := []uint64{r.catalog.hash(naming, "", self.ID)}      // of the topics of facts that name known facts
	in, err := r.search(ctx, func(f *filter) bool { return slices.ContainsFunc(hashes, f.has) })
	if err != nil {
		return e, err
	}
	for f, err := range r.forward(ctx, in, self.Seq, last, readable) {
		if err != nil {
			return e, err
		}
		if len(e.Links) >= maxListed && q.Limit >= 0 {
			e.More, e.Through = true, f.Seq-1
			return e, nil
		}
		var ref *query.FactRef
		links, more := linksOf(f)
		e.More = e.More || more > 0
		for _, l := range links {
			to := known[l.to]
			if to == nil && l.other && len(ids[l.To]) > 0 {
				if to, err = r.stray(ctx, readable, last, &l, ids[l.To], strays); err != nil {
					return e, err
				}
			}
			if to == nil || to.Depth >= q.Depth {
				continue
			}
			if len(e.Facts) == limit {
				e.More, e.Through = true, f.Seq-1
				return e, nil
			}
			if ref == nil {
				ref = &query.FactRef{Fact: f.Clone(), Depth: to.Depth + 1}
			}
			ref.Depth = min(ref.Depth, to.Depth+1)
			l.ToSeq = to.Fact.Seq
			e.Links = append(e.Links, resolved(l.Link, f, to))
		}
		if ref != nil {
			e.Facts = append(e.Facts, refOf(ref, q.Values))
			ref.Fact.Value = nil
			known[store.Source{Store: f.Store, ID: f.ID}] = ref
			ids[f.ID], hashes = append(ids[f.ID], ref), append(hashes, r.catalog.hash(naming, "", f.ID))
		}
	}
	return e, nil
}

// stray returns the one of some facts to which a link leads if it names none of their stores; nil if it leads to no
// such fact. It searches the log once for each such link, and keeps the result in strays.
func (r *Reader) stray(ctx context.Context, readable []string, last uint64, l *link, some []*query.FactRef, strays map[store.Source]uint64) (*query.FactRef, error) {
	first, looked := strays[l.to]
	if !looked {
		in, err := r.searchFor(ctx, withID, "", l.To)
		if err != nil {
			return nil, err
		}
		for f, err := range r.forward(ctx, in, 0, last, readable) {
			if err != nil {
				return nil, err
			}
			if f.ID != l.To {
				continue
			}
			if first == 0 {
				first = f.Seq
			}
			if f.Store == l.to.Store {
				first = 0
				break
			}
		}
		strays[l.to] = first
	}
	for _, x := range some {
		if x.Fact.Seq == first && first < l.FromSeq {
			return x, nil
		}
	}
	return nil, nil
}
