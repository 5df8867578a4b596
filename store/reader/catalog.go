// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// A catalog has counts of a log by store, the times of blocks of facts, and filters that tell where facts are. It reads
// the log once, and new facts afterwards. Times and filters stay correct when facts are pruned; only the stores that
// lost facts are counted again.
type catalog struct {
	log  backend.Log
	lock ctxsync.Mutex // guards all below

	id       backend.LogID
	readable []string // stores that the reader may read; nil: all
	horizons map[string]backend.Horizon

	through uint64   // the log was read through this seq, and all facts through it are counted, except that
	again   []string // the facts of these stores (nil: of all stores)
	counted uint64   // are counted only through this seq; equal to through if no store is counted again

	facts  uint64
	stores map[string]*counts
	others uint64 // facts of stores beyond maxStores
	keys   int    // that all stores together know
	blocks []block

	seed        maphash.Seed // never changes
	filters     []filter     // whose elements never change
	filterBytes int
	filtered    uint64   // the seq through which the filters are
	unfiltered  int      // facts since
	hashes      []uint64 // of their topics

	limits limits
}

// limits are the limits of a catalog. Tests lower them.
type limits struct {
	keys, perFilter, filterBytes int
	perPart                      uint64
}

// Bounds on the memory of a catalog, some 170 MiB at most with maxFilterBytes.
const (
	maxStores = 1 << 14 // whose facts are counted
	maxDays   = 1 << 10 // whose facts are counted, of each store; the latest
	maxKeys   = 1 << 20 // that are known: beyond, the store with the most counts no keys
	perBlock  = 1 << 11 // facts, at first; blocks are joined so that there are no more than maxBlocks
	maxBlocks = 1 << 16
)

// A block is about consecutive facts.
type block struct {
	first, last uint64 // seqs
	facts       int
	early, late time.Time
}

func newCatalog(log backend.Log) *catalog {
	c := &catalog{log: log, lock: ctxsync.NewMutex(), seed: maphash.MakeSeed(), limits: limits{maxKeys, perFilter, maxFilterBytes, perPart}}
	c.begin(&backend.Stats{})
	return c
}

// begin empties the catalog, to read the log with the given stats from its start.
func (c *catalog) begin(stats *backend.Stats) {
	c.id, c.through, c.counted, c.again = stats.Log, 0, 0, nil
	c.recount(stats, nil)
	c.blocks = nil
	c.filters, c.filterBytes, c.filtered, c.unfiltered, c.hashes = nil, 0, 0, 0, nil
}

// check compares the catalog with the log's stats. It empties the catalog if the log is another one, and recounts
// stores that lost facts.
func (c *catalog) check(stats *backend.Stats) {
	readable := c.log.Features().Stores
	if (c.readable == nil) != (readable == nil) || !slices.Equal(c.readable, readable) || c.id != stats.Log || c.through > stats.LastSeq {
		c.begin(stats)
		c.readable = readable
		return
	}
	lost := []string{}
	for _, some := range []map[string]backend.Horizon{c.horizons, stats.Horizons} {
		for name := range some {
			if a, b := c.horizons[name], stats.Horizons[name]; (a.Seq != b.Seq || !a.Time.Equal(b.Time)) && !slices.Contains(lost, name) {
				lost = append(lost, name)
			}
		}
	}
	if slices.Contains(lost, backend.AllStores) {
		lost = nil
	}
	if lost == nil || len(lost) > 0 {
		c.recount(stats, lost)
	}
}

// advance reads up to most seqs of the log: new ones first, and then, if counts is set, the ones that are counted
// again. It reports whether more are left.
func (c *catalog) advance(ctx context.Context, stats *backend.Stats, counts bool, most uint64) (more bool, err error) {
	ctx = backend.WithRoom(ctx, nil) // others wait for the lock: the caller must not wait for room
	if c.through < stats.LastSeq {
		through := min(stats.LastSeq, c.through+most)
		for page, err := range c.log.Replay(ctx, backend.Range{After: backend.Cursor{Seq: c.through}, Through: through}) {
			if err != nil {
				return false, err
			}
			for i := range page.Facts {
				c.add(&page.Facts[i])
			}
			if c.counted == c.through {
				c.counted = page.Through.Seq
			}
			c.through = page.Through.Seq
		}
	} else if counts && c.counted < c.through {
		in := parts{filters: c.filters, may: func(f *filter) bool {
			return c.again == nil || slices.ContainsFunc(c.again, func(name string) bool { return f.has(c.hash(ofStore, name, "")) })
		}}
		through := min(c.through, c.counted+most)
		for after, through := range in.between(c.counted, through, false) {
			for page, err := range c.log.Replay(ctx, backend.Range{After: backend.Cursor{Seq: after}, Through: through, Stores: c.again}) {
				if err != nil {
					return false, err
				}
				for i := range page.Facts {
					f := &page.Facts[i]
					c.count(f, c.hash(ofKey, f.Store, f.Key))
				}
				c.counted = page.Through.Seq
			}
		}
		c.counted = through
	}
	return c.through < stats.LastSeq || counts && c.counted < c.through, nil
}

// read updates the catalog to the log's last seq, and the counts, too, if counts is set. Then it calls with, under the
// catalog's lock, with the log's stats. with must not keep references into the catalog.
func (c *catalog) read(ctx context.Context, counts bool, with func(stats *backend.Stats)) error {
	if err := c.lock.Lock(ctx); err != nil {
		return err
	}
	defer c.lock.Unlock()
	stats, err := c.log.Stats(ctx)
	if err != nil {
		return err
	}
	c.check(&stats)
	for more, again := true, false; more; {
		if more, err = c.advance(ctx, &stats, counts, math.MaxUint64>>1); err != nil {
			return err
		}
		if !more && !again && counts {
			again, more = true, c.miscounts(&stats)
		}
	}
	with(&stats)
	return nil
}

// perPart is how many seqs of the log are read in the background at a time.
const perPart = 1 << 14

// mostRest is the longest pause after a part, as a multiple of the time that reading the part took.
const mostRest = 3.0

// readSlowly reads the log, and counts it, through the last seq at the time of the call, in parts. After each part it
// pauses for three times as long as the part took, to leave the processors and the disk to others; it pauses for less
// while the log grows faster than it is read. read does not wait for these pauses. In the end readSlowly calls with, as
// read does.
func (c *catalog) readSlowly(ctx context.Context, rest func(time.Duration), with func()) error {
	var goal, last uint64 // the log's last seq at first, and before the rest
	pace := mostRest
	for begun, recounted, more := false, false, true; more; begun = true {
		if err := c.lock.Lock(ctx); err != nil {
			return err
		}
		began := time.Now()
		stats, err := c.log.Stats(ctx)
		if err == nil {
			c.check(&stats)
			end := stats.LastSeq
			if !begun {
				goal, last = end, end
			}
			goal = min(goal, end) // the log may be another one by now
			before := c.through + c.counted
			stats.LastSeq = max(goal, c.through)
			_, err = c.advance(ctx, &stats, true, c.limits.perPart)
			switch grown := end - min(end, last); {
			case grown > c.through+c.counted-before:
				pace /= 2
			case pace < mostRest:
				pace *= 2
			}
			last = end
			more = c.through < goal || c.counted < goal
			if err == nil && !more && !recounted && c.through == end && c.counted == end { // stats tell how many facts these are
				recounted, more = true, c.miscounts(&stats)
			}
		}
		if err == nil && !more {
			with()
		}
		c.lock.Unlock()
		if err != nil {
			return err
		}
		if more {
			rest(time.Duration(pace * float64(time.Since(began))))
		}
	}
	return ctx.Err()
}

// add adds a fact that is after all others.
func (c *catalog) add(f *backend.Fact) {
	c.addBlock(f.Seq, f.TransactionTime)
	key := c.hash(ofKey, f.Store, f.Key)
	c.filter(f, key)
	if c.counted == c.through || c.again != nil && !slices.Contains(c.again, f.Store) {
		c.count(f, key)
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
