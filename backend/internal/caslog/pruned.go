// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"slices"
	"sort"

	"github.com/igniter-store/igniter/internal/seqrange"
)

// A pruned has the erased positions that a process knows. It is immutable: with returns a new one.
type pruned struct {
	erased seqrange.Set // positions, even if the place still has their units
	kept   []kept       // ascending by At
}

// with returns p with the erased positions of a note added.
func (p *pruned) with(n *note) *pruned {
	next := &pruned{erased: seqrange.Of(slices.Concat(p.erased, n.Erase)...), kept: slices.Clone(p.kept)}
	for _, k := range n.Kept {
		if i := next.at(k.At); i < len(next.kept) && next.kept[i].At == k.At {
			next.kept[i] = k
		} else {
			next.kept = slices.Insert(next.kept, i, k)
		}
	}
	next.kept = slices.DeleteFunc(next.kept, func(k kept) bool { return next.erased.Has(k.Into) })
	return next
}

// at returns the index of the first kept at or after a position.
func (p *pruned) at(pos uint64) int {
	return sort.Search(len(p.kept), func(i int) bool { return p.kept[i].At >= pos })
}

// from returns, for an erased position, the last position of the gapless run of erased ones after it, and the kept units of
// the run.
func (p *pruned) from(pos uint64) (last uint64, in []kept) {
	i := sort.Search(len(p.erased), func(i int) bool { return p.erased[i][1] >= pos })
	last = p.erased[i][1]
	return last, p.kept[p.at(pos):p.at(last+1)]
}

// into reports whether the Kept unit at a position replaces an erased unit.
func (p *pruned) into(pos uint64) bool {
	return slices.ContainsFunc(p.kept, func(k kept) bool { return k.Into == pos })
}
