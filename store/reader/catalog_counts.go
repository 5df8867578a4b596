// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// counts has the counts of one store.
type counts struct {
	facts, bytes        uint64
	keys                uint64          // that have a value
	known               map[uint64]bool // by the hash of a key: it has a value; nil: there are too many
	first, last         uint64          // seqs
	firstTime, lastTime time.Time
	early, late         time.Time // transaction times
	earlyTrue, lateTrue time.Time // valid times, or else transaction times
	days                map[int64]uint64
}

// recount drops the counts of some stores (nil: of all stores), so that they are counted again.
func (c *catalog) recount(stats *backend.Stats, stores []string) {
	c.horizons = stats.Horizons
	if pending := c.counted < c.through; c.others > 0 || pending && c.again == nil {
		stores = nil
	} else if pending && stores != nil {
		stores = append(stores, c.again...)
	}
	if c.again, c.counted = stores, 0; stores == nil {
		c.stores, c.keys, c.facts, c.others = map[string]*counts{}, 0, 0, 0
		return
	}
	for _, name := range stores {
		if s := c.stores[name]; s != nil {
			c.facts, c.keys = c.facts-s.facts, c.keys-len(s.known)
			delete(c.stores, name)
		}
	}
}

// miscounts reports whether the counts differ from the log's, since facts before an unchanged horizon were pruned. It
// then begins to count all stores again.
func (c *catalog) miscounts(stats *backend.Stats) bool {
	if stats.Facts == 0 || stats.Facts == c.facts {
		return false
	}
	c.recount(stats, nil)
	return true
}

// count counts a fact, whose key has a hash.
func (c *catalog) count(f *backend.Fact, key uint64) {
	c.facts++
	t, valid := f.TransactionTime, validOf(f)
	s := c.stores[f.Store]
	if s == nil {
		if len(c.stores) == maxStores {
			c.others++
			return
		}
		s = &counts{first: f.Seq, firstTime: t, early: t, late: t, earlyTrue: valid, lateTrue: valid, days: map[int64]uint64{}, known: map[uint64]bool{}}
		c.stores[strings.Clone(f.Store)] = s
	}
	s.facts++
	s.bytes += uint64(len(f.Key) + len(f.Value) + len(f.ID) + len(f.Producer) + len(f.Derivation))
	s.last, s.lastTime = f.Seq, t
	s.early, s.late, s.earlyTrue, s.lateTrue = earlier(s.early, t), later(s.late, t), earlier(s.earlyTrue, valid), later(s.lateTrue, valid)
	s.days[dayOf(t)]++
	if len(s.days) > maxDays {
		delete(s.days, slices.Min(slices.Collect(maps.Keys(s.days))))
	}
	if s.known == nil {
		return
	}
	had, known := s.known[key]
	alive := !f.Retraction()
	switch {
	case alive && !had:
		s.keys++
	case !alive && had:
		s.keys--
	}
	if s.known[key] = alive; known {
		return
	}
	if c.keys++; c.keys > c.limits.keys {
		for _, other := range c.stores {
			if len(other.known) > len(s.known) {
				s = other
			}
		}
		c.keys -= len(s.known)
		s.known = nil
	}
}

// dayOf returns the number of a day, UTC.
func dayOf(t time.Time) int64 {
	n := t.Unix()
	if n < 0 {
		n -= 24*3600 - 1
	}
	return n / (24 * 3600)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// memory returns about how many bytes a store takes as an engine.
func (s *counts) memory() int64 {
	if s == nil {
		return minMemory
	}
	return max(int64(s.bytes+s.facts*factMemory), minMemory)
}

// together returns the counts of some stores; nil: they have no facts.
func (c *catalog) together(stores []string) *counts {
	var sum *counts
	for _, name := range c.names(stores) {
		s := c.stores[name]
		if sum == nil {
			first := *s
			sum = &first
			continue
		}
		sum.facts += s.facts
		if s.first < sum.first {
			sum.first, sum.firstTime = s.first, s.firstTime
		}
		if s.last > sum.last {
			sum.last, sum.lastTime = s.last, s.lastTime
		}
		sum.early, sum.late, sum.earlyTrue, sum.lateTrue = earlier(sum.early, s.early), later(sum.late, s.late), earlier(sum.earlyTrue, s.earlyTrue), later(sum.lateTrue, s.lateTrue)
	}
	return sum
}
