// SPDX-License-Identifier: Apache-2.0

// Package seqrange keeps sets of seqs as ranges, so that a long run of seqs takes little memory.
package seqrange

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
)

// A Set is a set of seqs as ranges, each its first and its last seq. The ranges ascend, and there is at
// least one seq between each two. The nil Set is empty. As JSON a Set is an array of pairs: [[1,3],[7,7]].
type Set [][2]uint64

// Collect returns the set of seqs, which may come in any order and more than once.
func Collect(seqs iter.Seq[uint64]) Set {
	var ranges Set
	for seq := range seqs {
		ranges = ranges.Append(seq)
	}
	return Of(ranges...)
}

// Of returns the set of the seqs in ranges, which may be in any order and overlap. A range whose first seq
// is above its last has no seqs. Of may reorder and overwrite ranges.
func Of(ranges ...[2]uint64) Set {
	slices.SortFunc(ranges, func(a, b [2]uint64) int { return cmp.Compare(a[0], b[0]) })
	s := Set(ranges[:0])
	for _, r := range ranges {
		n := len(s)
		switch {
		case r[0] > r[1]:
		case n > 0 && (r[0] <= s[n-1][1] || r[0]-1 == s[n-1][1]):
			s[n-1][1] = max(s[n-1][1], r[1])
		default:
			s = append(s, r)
		}
	}
	return s
}

// Append returns s with seq added; no seq of s may be above it. Like append, it may reuse the memory of s.
func (s Set) Append(seq uint64) Set {
	if n := len(s); n > 0 && seq >= s[n-1][0] && (seq <= s[n-1][1] || seq-1 == s[n-1][1]) {
		s[n-1][1] = max(s[n-1][1], seq)
		return s
	}
	return append(s, [2]uint64{seq, seq})
}

// All yields the seqs in ascending order.
func (s Set) All() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, r := range s {
			for seq := r[0]; ; seq++ {
				if !yield(seq) {
					return
				}
				if seq == r[1] { // r[1] may be the highest uint64
					break
				}
			}
		}
	}
}

// Through returns the seqs of s up to last. It does not change s.
func (s Set) Through(last uint64) Set {
	n := sort.Search(len(s), func(i int) bool { return s[i][1] > last })
	if n == len(s) || s[n][0] > last {
		return s[:n:n]
	}
	return append(s[:n:n], [2]uint64{s[n][0], last})
}

// Len returns the number of seqs, or the highest uint64 if there are more.
func (s Set) Len() (n uint64) {
	for _, r := range s {
		more := r[1] - r[0] + 1
		if more == 0 || n+more < n {
			return math.MaxUint64
		}
		n += more
	}
	return n
}

// Has reports whether s has seq.
func (s Set) Has(seq uint64) bool { return s.Overlaps(seq, seq) }

// Overlaps reports whether s has a seq from first through last.
func (s Set) Overlaps(first, last uint64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i][1] >= first })
	return i < len(s) && s[i][0] <= last
}

// Without returns the seqs of s that are not in other. It does not change s.
func (s Set) Without(other Set) Set {
	var left Set
	for _, r := range s {
		i := sort.Search(len(other), func(i int) bool { return other[i][1] >= r[0] })
		for ; i < len(other) && other[i][0] <= r[1]; i++ {
			if other[i][0] > r[0] {
				left = append(left, [2]uint64{r[0], other[i][0] - 1})
			}
			if other[i][1] >= r[1] {
				r[0], r[1] = 1, 0
				break
			}
			r[0] = other[i][1] + 1
		}
		if r[0] <= r[1] {
			left = append(left, r)
		}
	}
	return left
}
