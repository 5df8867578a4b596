// SPDX-License-Identifier: Apache-2.0

// Package merkle has the hash tree of RFC 6962, section 2.1, over the facts of a log: one leaf for each seq from 1 on. A part
// of the tree is a [Range]; parts that follow each other join, so that each file of a log keeps its own.
package merkle

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
)

// A Hash is the hash of a leaf or of a node.
type Hash [sha256.Size]byte

// LeafPrefix is the byte before the data of a leaf.
const LeafPrefix = 0

// Leaf returns the hash of a leaf: of its data after LeafPrefix.
func Leaf(prefixed []byte) Hash { return sha256.Sum256(prefixed) }

// join returns the hash of the node over two others.
func join(left, right Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// A Node is the root of a whole subtree: of the 1<<Level leaves from First on, which is a multiple of that number.
type Node struct {
	First uint64 // the index of its first leaf: the leaf of seq n has the index n-1
	Level uint8
	Hash  Hash
}

// End returns the index after the last leaf.
func (n Node) End() uint64 { return n.First + 1<<n.Level }

// Valid reports whether a tree can have such a node.
func (n Node) Valid() bool {
	return n.Level < 63 && n.First%(1<<n.Level) == 0 && n.First <= 1<<63-1<<n.Level
}

// Coalesce sorts nodes, which must not overlap, and joins nodes that together fill a larger subtree.
func Coalesce(nodes []Node) []Node {
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.First, b.First) })
	var all []Node
	var r Range
	for i, n := range nodes {
		if i == 0 || n.First != r.end {
			all = append(all, r.Nodes()...)
			r = NewRange(n.First)
		}
		r.Add(n)
	}
	return append(all, r.Nodes()...)
}

// empty has the hashes of subtrees whose leaves are all empty, by level.
var empty = func() (all [63]Hash) {
	all[0] = Leaf([]byte{LeafPrefix})
	for i := 1; i < len(all); i++ {
		all[i] = join(all[i-1], all[i-1])
	}
	return all
}()

// A Range is the leaves from one index to another, as the roots of the largest subtrees that they fill: at most 126 hashes.
// The zero Range is empty and begins at 0. It is not safe for concurrent use.
type Range struct {
	first, end uint64
	hashes     []Hash
	levels     []uint8
}

// NewRange returns the empty range that begins at an index.
func NewRange(first uint64) Range { return Range{first: first, end: first} }

// First returns the index of the first leaf.
func (r *Range) First() uint64 { return r.first }

// End returns the index after the last leaf.
func (r *Range) End() uint64 { return r.end }

// Add adds a node, which must begin at the end of the range.
func (r *Range) Add(n Node) {
	h, level := n.Hash, n.Level
	for i := len(r.levels) - 1; i >= 0 && r.levels[i] == level && n.First&(1<<level) != 0; i-- {
		n.First -= 1 << level
		h, level = join(r.hashes[i], h), level+1
		r.hashes, r.levels = r.hashes[:i], r.levels[:i]
	}
	r.hashes, r.levels = append(r.hashes, h), append(r.levels, level)
	r.end = n.First + 1<<level
}

// Fill adds empty leaves up to an index.
func (r *Range) Fill(end uint64) {
	for at := range split(r.end, end) {
		r.Add(Node{at.First, at.Level, empty[at.Level]})
	}
}

// Join adds a range that begins at the end of r.
func (r *Range) Join(next *Range) {
	for _, n := range next.Nodes() {
		r.Add(n)
	}
}

// Nodes returns the nodes, in order.
func (r *Range) Nodes() []Node {
	all := make([]Node, len(r.hashes))
	at := r.first
	for i := range all {
		all[i] = Node{at, r.levels[i], r.hashes[i]}
		at = all[i].End()
	}
	return all
}

// Clone returns a copy.
func (r *Range) Clone() Range {
	return Range{r.first, r.end, slices.Clone(r.hashes), slices.Clone(r.levels)}
}

// Root returns the hash of the tree over all leaves of a range that begins at 0.
func (r *Range) Root() Hash {
	n := len(r.hashes)
	if n == 0 {
		return sha256.Sum256(nil)
	}
	root := r.hashes[n-1]
	for i := n - 2; i >= 0; i-- {
		root = join(r.hashes[i], root)
	}
	return root
}

// split yields the largest subtrees that leaves from one index to another fill; their hashes are zero.
func split(first, end uint64) func(yield func(Node) bool) {
	return func(yield func(Node) bool) {
		for first < end {
			level := min(bits.Len64(end-first)-1, 62)
			if first != 0 {
				level = min(level, bits.TrailingZeros64(first))
			}
			if !yield(Node{First: first, Level: uint8(level)}) {
				return
			}
			first += 1 << level
		}
	}
}

// A text is a Range as JSON. The leaves tell to which nodes the hashes belong.
type text struct {
	First  uint64 `json:"first"`
	End    uint64 `json:"end"`
	Hashes string `json:"hashes"` // base64
}

// MarshalJSON implements json.Marshaler.
func (r Range) MarshalJSON() ([]byte, error) {
	var all []byte
	for _, h := range r.hashes {
		all = append(all, h[:]...)
	}
	return json.Marshal(text{r.first, r.end, base64.StdEncoding.EncodeToString(all)})
}

// UnmarshalJSON implements json.Unmarshaler. The hashes must be as many as the leaves need.
func (r *Range) UnmarshalJSON(data []byte) error {
	var t text
	if err := json.Unmarshal(data, &t); err != nil {
		return err
	}
	all, err := base64.StdEncoding.DecodeString(t.Hashes)
	if err != nil {
		return err
	}
	if t.End < t.First || t.End > 1<<63 {
		return fmt.Errorf("no leaves from %d to %d", t.First, t.End)
	}
	*r = NewRange(t.First)
	for n := range split(t.First, t.End) {
		if len(all) < sha256.Size {
			return fmt.Errorf("too few hashes for the leaves from %d to %d", t.First, t.End)
		}
		r.hashes, r.levels, r.end = append(r.hashes, Hash(all[:sha256.Size])), append(r.levels, n.Level), n.End()
		all = all[sha256.Size:]
	}
	if len(all) > 0 {
		return fmt.Errorf("too many hashes for the leaves from %d to %d", t.First, t.End)
	}
	return nil
}
