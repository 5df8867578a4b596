package reader

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// linksOf returns what a fact itself names: the sources of a rule, and its causation, of which it does not say whether it is of
// the same key.
func linksOf(f *backend.Fact) (links []query.Link) {
	if f.Causation != "" {
		links = append(links, query.Link{From: f.ID, To: f.Causation, Kind: "causation"})
	}
	var derivation struct {
		Rule    string   `json:"rule"`
		Sources []string `json:"sources"`
	}
	if f.Derivation != nil && json.Unmarshal(f.Derivation, &derivation) == nil {
		for _, id := range derivation.Sources {
			links = append(links, query.Link{From: f.ID, To: id, Kind: "source", Rule: derivation.Rule})
		}
	}
	return links
}

// ancestry is what led to a fact, as far as it was found.
type ancestry struct {
	facts  map[string]*query.FactRef
	wanted map[string]int // IDs that are looked for, with how many links away they are
	depth  int
	limit  int
	cut    bool // depth or limit left something out
}

// take notes a fact that was wanted, and what it names in turn.
func (a *ancestry) take(f *backend.Fact) {
	depth := a.wanted[f.ID]
	delete(a.wanted, f.ID)
	a.facts[f.ID] = &query.FactRef{Fact: f.Clone(), Depth: depth}
	for _, l := range linksOf(f) {
		if known := a.facts[l.To]; known != nil {
			continue
		}
		if depth == a.depth || len(a.facts)+len(a.wanted) >= a.limit {
			a.cut = true
			continue
		}
		if d, ok := a.wanted[l.To]; !ok || depth+1 < d {
			a.wanted[l.To] = depth + 1
		}
	}
}

// look reads the log backwards until nothing is wanted any more, or the log begins. It reads it again if that found
// something, since a fact may have led to one that is before it in the log, as an import can write.
func (r *Reader) look(ctx context.Context, readable []string, last uint64, a *ancestry) error {
	for found := true; found && len(a.wanted) > 0; {
		found = false
		for f, err := range r.backward(ctx, 0, last, readable, 0, nil) {
			if err != nil {
				return err
			}
			if _, wanted := a.wanted[f.ID]; !wanted {
				continue
			}
			a.take(f)
			if found = true; len(a.wanted) == 0 {
				break
			}
		}
	}
	return nil
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
	a := ancestry{facts: map[string]*query.FactRef{}, wanted: map[string]int{q.ID: 0}, depth: q.Depth, limit: limit}
	if err := r.look(ctx, readable, stats.LastSeq, &a); err != nil {
		return l, err
	}
	self := a.facts[q.ID]
	if self == nil {
		return l, fmt.Errorf("%w: fact %q", query.ErrNotFound, q.ID)
	}
	l = query.Lineage{ID: q.ID, Seq: stats.LastSeq, Whole: !a.cut, Verified: true, Missing: slices.Sorted(maps.Keys(a.wanted)), Links: []query.Link{}}
	refs := slices.SortedFunc(maps.Values(a.facts), func(x, y *query.FactRef) int {
		if (x == self) != (y == self) { // the last, even if an import wrote one of its causes later
			return map[bool]int{true: 1, false: -1}[x == self]
		}
		return cmp.Compare(x.Fact.Seq, y.Fact.Seq)
	})
	proved := make([]store.FactRef, 0, len(refs))
	for _, x := range refs {
		for _, link := range linksOf(&x.Fact) {
			l.Links = append(l.Links, resolved(link, &x.Fact, a.facts))
		}
		if !hashOK(&x.Fact) {
			l.Verified, l.Problem = false, fmt.Sprintf("the value of fact %s has another hash than the fact says", x.Fact.ID)
		}
		proved = append(proved, store.RefOf(&x.Fact))
	}
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

// resolved returns a link of a fact with what is known of the fact that it leads to.
func resolved(l query.Link, from *backend.Fact, known map[string]*query.FactRef) query.Link {
	if to := known[l.To]; to != nil && l.Kind == "causation" {
		l.Kind = causationOf(from, &to.Fact)
	}
	return l
}

// causationOf says what the fact is whose ID is the causation of another.
func causationOf(from, to *backend.Fact) string {
	if from.Store == to.Store && from.Key == to.Key {
		return "follows"
	}
	return "cause"
}

// refOf returns a fact of a lineage as it is answered.
func refOf(x *query.FactRef, values bool) query.FactRef {
	ref := *x
	if n := len(ref.Fact.Value); !values || n > query.MaxChange {
		ref.Fact.Value = nil
		ref.ValueBytes = n
	}
	return ref
}

// effects returns what came of a fact, among the facts after it.
func (r *Reader) effects(ctx context.Context, readable []string, self *backend.Fact, last uint64, q query.LineageQuery, limit int) (e query.Effects, err error) {
	e = query.Effects{Facts: []query.FactRef{}, Links: []query.Link{}, Through: last}
	known := map[string]*query.FactRef{self.ID: {Fact: *self}}
	for f, err := range r.forward(ctx, self.Seq, last, readable) {
		if err != nil {
			return e, err
		}
		var ref *query.FactRef
		for _, l := range linksOf(f) {
			to := known[l.To]
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
			e.Links = append(e.Links, resolved(l, f, known))
		}
		if ref != nil {
			e.Facts = append(e.Facts, refOf(ref, q.Values))
			ref.Fact.Value = nil
			known[f.ID] = ref
		}
	}
	return e, nil
}
