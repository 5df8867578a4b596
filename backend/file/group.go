package file

import (
	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// factOverhead is what a fact takes beside its values, about.
const factOverhead = 256

// A group is writes that are written and synced at once. It is used again for the next ones.
type group struct {
	log    *Log
	shared bool // it had the facts of several writers
	writes []*write
	rest   []*write // those of writes that were not answered
	ready  int      // for how many of rest there are bodies
	given  []backend.Fact
	items  []byte   // the bodies of the new facts, one after the other
	bodies [][]byte // the same, each by itself
	block  []byte   // where frames are built; they stay there, for the tail
}

// run writes the group and answers those who wait for it. If it must wait for the disk to seal a
// segment, and is not to, it reports false, and is to be called again.
func (g *group) run(patient bool) bool {
	if task := g.writes[0].task; task != nil {
		g.writes[0].err = task()
		g.writes[0].done <- struct{}{}
		return true
	}
	for len(g.rest) > 0 {
		if g.ready == 0 {
			g.ready = g.assign(g.rest)
		}
		if !patient && g.rollDue() {
			return false
		}
		g.finish(g.rest[:g.ready])
		g.rest, g.ready = g.rest[g.ready:], 0
	}
	clear(g.writes)
	return true
}

// rollDue reports whether the frame of the bodies must go to a new segment.
func (g *group) rollDue() bool {
	a := g.log.active
	return len(g.bodies) > 0 && a.facts() > 0 && a.end+g.size() > g.log.opts.SegmentSize
}

// size is how long the frame of the bodies gets, at most.
func (g *group) size() int64 {
	return int64(len(g.items) + len(g.bodies)*len(",\n") + len("[\n\n]") + wire.FrameOverhead)
}

// assign numbers the facts of as many writes as fit one frame, at least one, and builds their
// bodies. Those that can't be written have their error set.
func (g *group) assign(writes []*write) int {
	l := g.log
	g.items, g.bodies = g.items[:0], g.bodies[:0]
	failed := l.failure()
	size := len("[\n\n]")
	for i, w := range writes {
		if failed != nil {
			w.err = failed
			continue
		}
		if w.leans = len(g.bodies) > 0; w.leans {
			g.given = append(g.given[:0], w.facts...)
		}
		next := l.seq.Next()
		fresh, err := l.seq.Assign(w.facts, w.expect, w.now)
		if err != nil {
			w.err = err
			continue
		}
		bodies, before := len(g.bodies), size
		for j := range w.facts {
			if w.facts[j].Seq != next {
				continue // the log held it already, or the group has it twice
			}
			next++
			start := len(g.items)
			g.items = w.drafts[j].Append(g.items, &w.facts[j])
			g.bodies = append(g.bodies, g.items[start:])
			size += len(g.items) - start + len(",\n")
		}
		alone := len(g.bodies) == 1 && size-len("[\n\n]")-len(",\n") <= l.opts.MaxFrame
		if size > l.opts.MaxFrame && !alone {
			l.seq.Undo(fresh)
			g.bodies, size = g.bodies[:bodies], before
			if bodies > 0 {
				copy(w.facts, g.given) // what they were given may be of facts that will never be
				return i               // it begins the next frame
			}
			w.err = l.tooLarge()
		}
	}
	return len(writes)
}

// finish writes what assign built, tells the sequencer, and answers the writes.
func (g *group) finish(writes []*write) {
	l := g.log
	first := l.seq.Next() - uint64(len(g.bodies))
	if len(g.bodies) > 0 {
		if err := g.write(first); err != nil {
			l.seq.Rollback()
			for _, w := range writes {
				if w.since(first) || w.leans && (w.err != nil || len(w.facts) == 0) {
					w.err = err
				}
			}
		} else {
			l.seq.Commit()
		}
	}
	clear(g.given)
	for _, w := range writes {
		w.done <- struct{}{}
	}
}

// since reports whether one of the facts has a seq from first on.
func (w *write) since(first uint64) bool {
	for i := range w.facts {
		if w.facts[i].Seq >= first {
			return true
		}
	}
	return false
}

// frame builds the frame in the block, and a new block when that is full. Frames in it stay as they
// are, and those behind each other can be joined ([wire.Join]).
func (g *group) frame() []byte {
	need := int(g.size())
	if cap(g.block)-len(g.block) < need {
		g.block = make([]byte, 0, max(need, min(max(2*cap(g.block), 16<<10), groupSize)))
	}
	start := len(g.block)
	g.block = wire.AppendBodies(wire.OpenFrame(g.block), g.bodies)
	g.block = wire.CloseFrame(g.block, start)
	if cap(g.items) > 2*groupSize {
		g.items = nil
	}
	return g.block[start:]
}
