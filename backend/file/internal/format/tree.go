// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// nodesMagic is the first byte of the bodies with nodes of the hash tree.
const nodesMagic = 'h'

// nodesFrame is about the largest size of such a body.
const nodesFrame = 64 << 10

// IsNodes reports whether a body has nodes of the hash tree, of facts that were pruned from the file.
func IsNodes(body []byte) bool { return body[0] == nodesMagic }

// appendNodes appends a body with nodes. They ascend, and do not overlap.
func appendNodes(dst []byte, nodes []merkle.Node) []byte {
	dst = append(dst, nodesMagic)
	last := uint64(0)
	for _, n := range nodes {
		dst = append(binary.AppendUvarint(dst, n.First-last), n.Level)
		dst = append(dst, n.Hash[:]...)
		last = n.First
	}
	return dst
}

// ParseNodes returns the nodes in a body. They ascend, and do not overlap.
func ParseNodes(body []byte) (nodes []merkle.Node, ok bool) {
	e := entries{rest: body[1:]}
	var n merkle.Node
	end := uint64(0)
	for e.more() {
		n.First += e.uint()
		if level := e.bytes(1); !e.bad {
			n.Level = level[0]
		}
		if hash := e.bytes(uint64(len(n.Hash))); !e.bad {
			n.Hash = merkle.Hash(hash)
		}
		if e.bad || !n.Valid() || n.First < end {
			return nil, false
		}
		end, nodes = n.End(), append(nodes, n)
	}
	return nodes, true
}

// maxLeaf limits the size of a buffer that is kept for the next leaf.
const maxLeaf = 1 << 20

// A Leaves computes leaves of the hash tree.
type Leaves struct{ buf []byte }

// Of returns the leaf of a fact: its body as the codec writes it. The leaf is the same in groups and blocks.
func (l *Leaves) Of(f *backend.Fact) merkle.Node {
	l.buf = wire.AppendFact(append(l.buf[:0], merkle.LeafPrefix), f)
	leaf := merkle.Node{First: f.Seq - 1, Hash: merkle.Leaf(l.buf)}
	if cap(l.buf) > maxLeaf {
		l.buf = nil
	}
	return leaf
}

// A Tree computes the part of the hash tree that a file covers, from its facts and nodes. A seq without either has an empty
// leaf: its fact was lost, or pruned before files kept nodes. Nodes must be added before the facts that follow them.
type Tree struct {
	Range  merkle.Range
	Pruned uint64 // the number of leaves in nodes

	// Gone, if not nil, is called with the seqs that have neither a fact nor a node.
	Gone func(first, last uint64)

	leaves Leaves
	nodes  nodes // not in the range yet
}

// nodes are nodes that wait to be added to a tree or written to a file. Neighbours are joined.
type nodes struct {
	all  []merkle.Node
	tidy bool // sorted and joined
	most int  // the number of nodes at which they are joined
}

func (n *nodes) add(more ...merkle.Node) {
	n.all, n.tidy = append(n.all, more...), false
	if len(n.all) > n.most {
		n.join()
		n.most = 2*len(n.all) + 1024
	}
}

func (n *nodes) join() {
	if !n.tidy && len(n.all) > 0 {
		n.all, n.tidy = merkle.Coalesce(n.all), true
	}
}

// NewTree returns the tree of facts from a seq on.
func NewTree(first uint64) *Tree { return &Tree{Range: merkle.NewRange(first - 1)} }

// Nodes adds nodes.
func (t *Tree) Nodes(nodes ...merkle.Node) { t.nodes.add(nodes...) }

// Facts adds facts, except those already in the tree.
func (t *Tree) Facts(facts []backend.Fact) {
	for i := range facts {
		f := &facts[i]
		if f.Seq <= t.Range.End() {
			continue
		}
		t.Through(f.Seq - 1)
		t.Range.Add(t.leaves.Of(f))
	}
}

// Through adds the nodes up to a seq, and empty leaves for missing facts.
func (t *Tree) Through(seq uint64) {
	t.nodes.join()
	n := 0
	for ; n < len(t.nodes.all) && t.nodes.all[n].End() <= seq; n++ {
		node := t.nodes.all[n]
		if node.First < t.Range.End() {
			continue // a fact has its leaf
		}
		t.fill(node.First)
		t.Range.Add(node)
		t.Pruned += 1 << node.Level
	}
	t.nodes.all = t.nodes.all[n:]
	t.fill(seq)
}

func (t *Tree) fill(seq uint64) {
	if end := t.Range.End(); end < seq {
		if t.Gone != nil {
			t.Gone(end+1, seq)
		}
		t.Range.Fill(seq)
	}
}

// Inside reports whether a seq is inside a node, so that the tree through it is not known. Call it before Through is called
// with a greater seq.
func (t *Tree) Inside(seq uint64) bool {
	t.nodes.join()
	return slices.ContainsFunc(t.nodes.all, func(n merkle.Node) bool { return n.First < seq && seq < n.End() })
}
