// SPDX-License-Identifier: Apache-2.0

package vfstest

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// A Mode is a kind of crash.
type Mode int

const (
	PowerCut    Mode = iota // changes that were not synced may be lost, in part and out of order
	ProcessKill             // no change is lost, but a later power cut can still lose it
)

// Crash ends the disk, and returns the disk that is found after the crash. It may be called several times, to get different
// disks that are possible after the crash.
func (d *Disk) Crash(seed uint64, mode Mode) *Disk {
	d.With(func() { d.dead = true })
	return d.Image(seed, mode)
}

// Image returns a disk that is possible after a crash now, without locks and faults. The seed decides which unsynced
// changes survive a power cut: 0 none, 1 all, any other seed a random part.
//
// Any subset of a file's changes may survive, and any sectors of a write; garbage may replace a sector that does not
// survive, unless the write would not have changed it. A change of a name survives only with all earlier changes of that
// name. A renamed file always has its old name or its new one.
func (d *Disk) Image(seed uint64, mode Mode) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := copier{}
	after := New()
	after.Capacity, after.root, after.nodes = d.Capacity, c.inode(d.root), d.nodes
	for _, all := range d.names {
		after.names = append(after.names, c.renamings(all))
	}
	if mode == PowerCut {
		after.loseNames(seed)
		after.root.lose(seed)
	}
	return after
}

// A copier copies inodes, each once.
type copier map[*inode]*inode

func (c copier) inode(n *inode) *inode {
	if n == nil || c[n] != nil {
		return c[n]
	}
	to := &inode{id: n.id, data: slices.Clone(n.data), durable: slices.Clone(n.durable), changes: slices.Clone(n.changes)}
	c[n] = to
	to.entries, to.durableEntries = c.entries(n.entries), c.entries(n.durableEntries)
	return to
}

func (c copier) entries(all map[string]*inode) map[string]*inode {
	all = maps.Clone(all)
	for name, n := range all {
		all[name] = c.inode(n)
	}
	return all
}

func (c copier) renamings(all []renaming) []renaming {
	all = slices.Clone(all)
	for i, r := range all {
		all[i] = renaming{c.inode(r.dir), r.name, c.inode(r.node)}
	}
	return all
}

// luck decides which changes of an inode, or of all names, survive.
type luck struct {
	*rand.Rand
	seed   uint64
	chance float64
}

func newLuck(seed, id uint64) luck {
	r := rand.New(rand.NewPCG(seed, id))
	return luck{r, seed, float64(r.IntN(5)) / 4}
}

func (l luck) keeps() bool { return l.seed == 1 || l.seed > 1 && l.Float64() < l.chance }

// garbage returns the new content of a lost sector: mostly nil, sometimes zeros or random bytes.
func (l luck) garbage(size int) []byte {
	if l.seed < 2 || l.IntN(16) > 0 {
		return nil
	}
	p := make([]byte, size)
	if l.IntN(2) == 0 {
		for i := range p {
			p[i] = byte(l.Uint32())
		}
	}
	return p
}

func (d *Disk) loseNames(seed uint64) {
	l := newLuck(seed, 0)
	lost := map[renaming]bool{}
	for _, all := range d.names {
		survives := l.keeps() && !slices.ContainsFunc(all, func(r renaming) bool { return lost[r.of()] })
		for _, r := range all {
			if survives {
				r.apply(r.dir.durableEntries)
			} else {
				lost[r.of()] = true
			}
		}
	}
	d.names = nil
}

// holds reports whether a file durably has the same bytes already, so that they are there whether or not the sector is
// written.
func (n *inode) holds(off int64, p []byte) bool {
	end := off + int64(len(p))
	return end <= int64(len(n.durable)) && bytes.Equal(n.durable[off:end], p)
}

// lose drops the changes that do not survive from an inode and from all inodes below it.
func (n *inode) lose(seed uint64) {
	n.entries = maps.Clone(n.durableEntries)
	for _, child := range n.entries {
		child.lose(seed)
	}
	l := newLuck(seed, n.id)
	for _, c := range n.changes {
		if c.synced || c.truncate {
			if c.synced || l.keeps() {
				n.durable = c.apply(n.durable)
			}
			continue
		}
		for off, sector := range sectors(c.off, c.data) {
			if !l.keeps() && !n.holds(off, sector) {
				sector = l.garbage(len(sector))
			}
			n.durable = change{off: off, data: sector}.apply(n.durable)
		}
	}
	n.data, n.changes = slices.Clone(n.durable), nil
}
