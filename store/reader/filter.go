// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"hash/maphash"
	"iter"
	"math"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A topic is a property of facts by which parts of the log can be found.
type topic struct {
	kind        byte
	store, name string
}

const (
	ofStore = 's' // the fact is of the store
	ofKey   = 'k' // the fact is of the key of the store
	withID  = 'i' // the fact has the ID name, in any store
	naming  = 'n' // the fact names the ID name as its causation or as a source
)

// A filter says which topics some consecutive facts may have. It is a Bloom filter of their hashes, with about one
// false positive in 300.
type filter struct {
	after, through uint64 // the facts with seqs after the one and through the other
	bits           []uint64
}

const (
	perFilter      = 1 << 11 // facts of a filter
	bitsEach       = 12      // bits of a filter for each hash
	probes         = 6       // bits that a hash sets
	maxFilterBytes = 64 << 20
)

func newFilter(after, through uint64, hashes []uint64) filter {
	f := filter{after, through, make([]uint64, 1+len(hashes)*bitsEach/64)}
	for _, h := range hashes {
		for i := range uint64(probes) {
			at := f.probe(h, i)
			f.bits[at/64] |= 1 << (at % 64)
		}
	}
	return f
}

func (f *filter) probe(hash, i uint64) uint64 {
	return (hash + i*(hash>>32|1)) % uint64(len(f.bits)*64)
}

// has reports whether the facts may have a topic.
func (f *filter) has(hash uint64) bool {
	for i := range uint64(probes) {
		if at := f.probe(hash, i); f.bits[at/64]&(1<<(at%64)) == 0 {
			return false
		}
	}
	return true
}

// parts says which parts of the log a question reads. The zero parts is the whole log.
type parts struct {
	filters []filter           // in the order of the log, without gaps between them
	may     func(*filter) bool // whether a part has to be read; nil: all have to be
}

// between yields the parts between two seqs, each as the seq after which it begins and the seq through which it goes;
// from the last one backward if back is set. may is called for a part when its turn comes. The log before the first
// filter and after the last one always has to be read.
func (p parts) between(after, through uint64, back bool) iter.Seq2[uint64, uint64] {
	return func(yield func(after, through uint64) bool) {
		n := len(p.filters)
		if p.may == nil || n == 0 {
			_ = after >= through || yield(after, through)
			return
		}
		for i := range n + 2 {
			if back {
				i = n + 1 - i
			}
			part := filter{through: p.filters[0].after} // before the first
			switch {
			case i > n:
				part = filter{after: p.filters[n-1].through, through: math.MaxUint64}
			case i > 0:
				part = p.filters[i-1]
			}
			a, t := max(part.after, after), min(part.through, through)
			if a >= t || part.bits != nil && !p.may(&part) {
				continue
			}
			if !yield(a, t) {
				return
			}
		}
	}
}

// hash returns the hash of a topic.
func (c *catalog) hash(kind byte, store, name string) uint64 {
	return maphash.Comparable(c.seed, topic{kind, store, name})
}

// filter notes the topics of a fact, whose key has a hash. It drops the oldest filter if they take too much memory.
func (c *catalog) filter(f *backend.Fact, key uint64) {
	c.hashes = append(c.hashes, c.hash(ofStore, f.Store, ""), key, c.hash(withID, "", f.ID))
	if f.Causation != "" {
		c.hashes = append(c.hashes, c.hash(naming, "", f.Causation))
	}
	if _, sources := store.SourcesOf(f.Derivation); sources != nil {
		for _, s := range sources {
			c.hashes = append(c.hashes, c.hash(naming, "", s.ID))
		}
	}
	if c.unfiltered++; c.unfiltered < c.limits.perFilter {
		return
	}
	slices.Sort(c.hashes)
	x := newFilter(c.filtered, f.Seq, slices.Compact(c.hashes))
	c.filters, c.filterBytes = append(c.filters, x), c.filterBytes+len(x.bits)*8
	for c.filterBytes > c.limits.filterBytes {
		c.filterBytes -= len(c.filters[0].bits) * 8
		c.filters = c.filters[1:] // readers of the old slice go on
	}
	c.filtered, c.unfiltered, c.hashes = f.Seq, 0, c.hashes[:0]
}
