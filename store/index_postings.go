// SPDX-License-Identifier: Apache-2.0

package store

import (
	"hash/maphash"
	"iter"
	"slices"
	"sync"
)

// postings has the keys of a namespace by the value of a field in their latest records, as groups of keys
// with equal values. A group holds one record with the value, and its keys as a linked list: there is nothing
// for the garbage collector to look at, and a write takes the same time however large a group is.
type postings struct {
	space *namespace
	index *Index
	hash  func(token string) uint64

	mu     sync.RWMutex
	groups []group           // the first is not used
	free   []uint32          // groups without keys
	byHash map[uint64]uint32 // the first group with a hash
	links  array[link]       // by key
	keys   uint32            // the number of links
}

// A group is the keys with one value in the field.
type group struct {
	hash       uint64
	sample     ref    // a record with the value, current or past
	chain      uint32 // the next group with the same hash; 0: none
	head, tail uint32 // keys, valid while count is not 0
	count      uint32
	mixed      bool // the keys are not in the order of their numbers
}

// A link is a key's place in its group.
type link struct {
	group      uint32 // 0: the key has nothing in the field
	next, prev uint32 // plus 1; 0: it is the last, or the first
}

// postings returns the index's projection over v; nil if none exists.
func (x *Index) postings(v view) *postings {
	if x.engine.reentered() {
		if x.busy.set.Load() {
			x.busy.enter("index by", string(x.field))
		}
		return nil
	}
	p, _ := x.engine.projected(v, x, func() projection {
		seed := maphash.MakeSeed()
		hash := func(token string) uint64 { return maphash.String(seed, token) }
		return &postings{space: v.namespace, index: x, hash: hash, groups: make([]group, 1), byHash: make(map[uint64]uint32)}
	}).(*postings)
	return p
}

func (p *postings) put(n uint32, prev, r Record) {
	p.index.busy.set.Store(true)
	p.index.engine.calling.set.Store(true)
	defer func() {
		p.index.engine.calling.set.Store(false)
		p.index.busy.set.Store(false)
	}()
	before, had := p.index.token(prev)
	now, has := p.index.token(r)
	if had == has && before == now {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.keys <= n; p.keys++ {
		p.links.room(p.keys)
	}
	p.remove(n)
	if has {
		p.add(n, now)
	}
}

// add puts a key that is in no group into the group of a token, which the key's latest record has.
func (p *postings) add(n uint32, token string) {
	i := p.lookup(token)
	if i == 0 {
		hash := p.hash(token)
		if last := len(p.free) - 1; last >= 0 {
			i, p.free = p.free[last], p.free[:last]
		} else {
			i, p.groups = uint32(len(p.groups)), append(p.groups, group{})
		}
		latest := tip(p.space.keys.tips.at(n).Load()).ref()
		p.groups[i] = group{hash: hash, sample: latest, chain: p.byHash[hash]}
		p.byHash[hash] = i
	}
	g := &p.groups[i]
	l := link{group: i}
	if g.count == 0 {
		g.head = n
	} else {
		g.mixed = g.mixed || n < g.tail
		l.prev = g.tail + 1
		p.links.at(g.tail).next = n + 1
	}
	g.tail = n
	g.count++
	*p.links.at(n) = l
}

// remove takes a key out of its group, if it is in one, and drops the group if that was its last key.
func (p *postings) remove(n uint32) {
	l := p.links.at(n)
	if l.group == 0 {
		return
	}
	g := &p.groups[l.group]
	if l.prev != 0 {
		p.links.at(l.prev - 1).next = l.next
	} else {
		g.head = l.next - 1
	}
	if l.next != 0 {
		p.links.at(l.next - 1).prev = l.prev
	} else {
		g.tail = l.prev - 1
	}
	if g.count--; g.count == 0 {
		p.drop(l.group)
	}
	*l = link{}
}

// drop makes a group free.
func (p *postings) drop(i uint32) {
	g := p.groups[i]
	switch first := p.byHash[g.hash]; {
	case first != i:
		for p.groups[first].chain != i {
			first = p.groups[first].chain
		}
		p.groups[first].chain = g.chain
	case g.chain != 0:
		p.byHash[g.hash] = g.chain
	default:
		delete(p.byHash, g.hash)
	}
	p.free = append(p.free, i)
}

// lookup returns the group of a token; 0 if none exists.
func (p *postings) lookup(token string) uint32 {
	i := p.byHash[p.hash(token)]
	for i != 0 && p.token(i) != token {
		i = p.groups[i].chain
	}
	return i
}

// token returns the value of a group.
func (p *postings) token(i uint32) string {
	token, _ := p.index.token(p.space.record(p.groups[i].sample))
	return token
}

// find returns the records of a view with one of the wanted values, in the order of their keys' numbers. fits
// reports whether a record has one.
func (p *postings) find(v view, wanted [][]byte, fits func(Record) bool) iter.Seq2[Record, error] {
	var found []uint32
	mixed := len(wanted) > 1
	p.mu.RLock()
	for _, w := range wanted {
		g := p.groups[p.lookup(string(w))]
		mixed = mixed || g.mixed
		found = slices.Grow(found, int(g.count))
		for n := g.head; g.count > 0; g.count-- {
			found = append(found, n)
			n = p.links.at(n).next - 1
		}
	}
	o := v.overlay()
	ahead := o.update()
	p.mu.RUnlock()
	if ahead {
		found = slices.AppendSeq(slices.DeleteFunc(found, o.has), o.all())
	}
	if mixed || ahead {
		slices.Sort(found)
	}
	return func(yield func(Record, error) bool) {
		for _, n := range found {
			if r := v.at(n); (!o.has(n) || fits(r)) && !yield(r, nil) {
				return
			}
		}
	}
}

// tokens returns the values in the records of a view, in no particular order.
func (p *postings) tokens(v view) []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := make([]string, 0, len(p.groups)-1-len(p.free))
	o := v.overlay()
	ahead := make(map[uint32]uint32) // by group: how many of its keys are in the overlay
	if o.update() {
		for n := range o.all() {
			if n < p.keys {
				ahead[p.links.at(n).group]++
			}
		}
	}
	for i := range p.groups {
		if p.groups[i].count > ahead[uint32(i)] {
			all = append(all, p.token(uint32(i)))
		}
	}
	for n := range o.all() {
		if token, ok := p.index.token(v.at(n)); ok && !slices.Contains(all, token) {
			all = append(all, token)
		}
	}
	return all
}
