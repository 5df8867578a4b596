// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// A catalog has counts of a log by store, the times of blocks of facts, and filters that tell where facts are. It reads the log
// once, and then what is new. A log that lost facts since is read again.
type catalog struct {
	log  backend.Log
	lock ctxsync.Mutex // guards all below

	id       backend.LogID
	readable []string // stores that the reader may read; nil: all
	horizons map[string]backend.Horizon
	through  uint64 // read so far
	facts    uint64
	stores   map[string]*counts
	others   uint64 // facts of stores beyond maxStores
	keys     int    // that all stores together know
	blocks   []block

	seed        maphash.Seed // never changes
	filters     []filter     // whose elements never change
	filterBytes int
	filtered    uint64   // the seq through which the filters are
	unfiltered  int      // facts since
	hashes      []uint64 // of their topics

	limits limits
}

// limits are those of a catalog, which tests lower.
type limits struct{ keys, perFilter, filterBytes int }

// Bounds on the memory of a catalog, some 170 MiB at most with maxFilterBytes.
const (
	maxStores = 1 << 14 // whose facts are counted
	maxDays   = 1 << 10 // whose facts are counted, of each store; the latest
	maxKeys   = 1 << 20 // that are known: beyond, the store with the most counts no keys
	perBlock  = 1 << 11 // facts, at first; blocks are joined so that there are no more than maxBlocks
	maxBlocks = 1 << 16
)

// counts is about one store.
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

// A block is about consecutive facts.
type block struct {
	first, last uint64 // seqs
	facts       int
	early, late time.Time
}

func newCatalog(log backend.Log) *catalog {
	c := &catalog{log: log, lock: ctxsync.NewMutex(), seed: maphash.MakeSeed(), limits: limits{maxKeys, perFilter, maxFilterBytes}}
	c.begin(backend.Stats{})
	return c
}

// begin forgets all, to read the log with the given stats.
func (c *catalog) begin(stats backend.Stats) {
	c.id, c.horizons, c.through, c.facts, c.others = stats.Log, stats.Horizons, 0, 0, 0
	c.stores, c.keys, c.blocks = map[string]*counts{}, 0, nil
	c.filters, c.filterBytes, c.filtered, c.unfiltered, c.hashes = nil, 0, 0, 0, nil
}

// read brings the catalog up to the log's last seq, and calls with, which must not keep what it sees. stats is of the log then.
func (c *catalog) read(ctx context.Context, with func(stats *backend.Stats)) error {
	if err := c.lock.Lock(ctx); err != nil {
		return err
	}
	defer c.lock.Unlock()
	for again := false; ; again = true {
		stats, err := c.log.Stats(ctx)
		if err != nil {
			return err
		}
		sameHorizon := func(a, b backend.Horizon) bool { return a.Seq == b.Seq && a.Time.Equal(b.Time) }
		if readable := c.log.Features().Stores; (c.readable == nil) != (readable == nil) || !slices.Equal(c.readable, readable) {
			c.begin(stats)
			c.readable = readable
		}
		if c.id != stats.Log || c.through > stats.LastSeq || !maps.EqualFunc(c.horizons, stats.Horizons, sameHorizon) {
			c.begin(stats)
		}
		for page, err := range c.log.Replay(ctx, backend.Range{After: backend.Cursor{Seq: c.through}, Through: stats.LastSeq}) {
			if err != nil {
				return err
			}
			for i := range page.Facts {
				c.add(&page.Facts[i])
			}
			c.through = page.Through.Seq
		}
		if stats.Facts != 0 && stats.Facts != c.facts && !again { // it was pruned, behind horizons that it had
			c.begin(stats)
			continue
		}
		with(&stats)
		return nil
	}
}

// add counts a fact.
func (c *catalog) add(f *backend.Fact) {
	c.facts++
	t, valid := f.TransactionTime, f.ValidTime
	if valid.IsZero() {
		valid = t
	}
	c.addBlock(f.Seq, t)
	key := c.hash(ofKey, f.Store, f.Key)
	c.filter(f, key)
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

func (c *catalog) addBlock(seq uint64, t time.Time) {
	if n := len(c.blocks); n > 0 && c.blocks[n-1].facts < perBlock {
		b := &c.blocks[n-1]
		b.last, b.facts, b.early, b.late = seq, b.facts+1, earlier(b.early, t), later(b.late, t)
		return
	}
	if len(c.blocks) == maxBlocks { // join every two
		joined := c.blocks[:0]
		for pair := range slices.Chunk(slices.Clone(c.blocks), 2) {
			a, b := pair[0], pair[len(pair)-1]
			joined = append(joined, block{a.first, b.last, perBlock, earlier(a.early, b.early), later(a.late, b.late)})
		}
		c.blocks = joined
	}
	c.blocks = append(c.blocks, block{seq, seq, 1, t, t})
}

// span returns the seqs between which facts were taken in from since on and before until; zero times: any. The facts after
// and through them may have other times, too.
func (c *catalog) span(since, until time.Time) (after, through uint64) {
	through = c.through
	if !since.IsZero() {
		i := slices.IndexFunc(c.blocks, func(b block) bool { return !b.late.Before(since) })
		if i < 0 {
			return through, through
		}
		after = c.blocks[i].first - 1
	}
	if !until.IsZero() {
		for i, b := range slices.Backward(c.blocks) {
			if b.early.Before(until) {
				if i < len(c.blocks)-1 {
					through = b.last
				}
				return after, max(after, through)
			}
		}
		return after, after
	}
	return after, through
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

const (
	factMemory = 200     // bytes of an engine for a fact, beside its texts
	minMemory  = 1 << 20 // of any store
)

// names returns the names of the stores in c that may be read, sorted.
func (c *catalog) names(readable []string) []string {
	if readable == nil {
		return slices.Sorted(maps.Keys(c.stores))
	}
	return slices.DeleteFunc(slices.Clone(readable), func(s string) bool { return c.stores[s] == nil })
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
