// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// factOverhead is about the number of bytes that a fact takes beside its values.
const factOverhead = 256

// A group is a list of writes that are written and synced together. It is reused for the next ones.
type group struct {
	log    *Log
	shared bool // it has facts of several writers
	writes []*write
	rest   []*write // the writes that are not answered yet
	ready  int      // how many of rest have bodies
	given  []backend.Fact
	items  []byte   // room for the length of a frame, and the bodies of the new facts, one after the other
	bodies [][]byte // the same, each as a slice
	block  []byte   // frames are built in it, and stay there for the tail
}

// run writes the group and answers its writers. If the caller is not patient and run would have to wait for the disk, to
// seal a segment, it returns false and must be called again.
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

// rollDue reports whether the group's frame must go to a new segment.
func (g *group) rollDue() bool {
	s := g.log.state.Load()
	return len(g.bodies) > 0 && s.current.Facts > 0 && s.active.end+g.size() > g.log.opts.SegmentSize
}

// size returns the largest possible size of the group's frame.
func (g *group) size() int64 {
	return int64(len(g.items) + len(g.bodies)*len(",\n") + len("[\n\n]") + wire.FrameOverhead)
}

// assign numbers the facts of as many writes as fit one frame, at least one, and builds their bodies. It returns the number
// of writes. It sets the error of writes that cannot be written.
func (g *group) assign(writes []*write) int {
	l := g.log
	g.items, g.bodies = wire.OpenFrame(g.items[:0]), g.bodies[:0]
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
		if next > format.MaxSeq-uint64(len(w.facts)) {
			w.err = fmt.Errorf("the log has given seq %d, and files can hold seqs up to %d", next-1, uint64(format.MaxSeq))
			continue
		}
		fresh, err := l.seq.Assign(w.facts, w.expect, w.now)
		if err != nil {
			w.err = err
			continue
		}
		if w.first = 0; fresh > 0 {
			w.first = next
		}
		bodies, before := len(g.bodies), size
		for j := range w.facts {
			if w.facts[j].Seq != next {
				continue // the log already held it, or the group has it twice
			}
			next++
			start := len(g.items)
			g.items = w.encoded[j].Append(g.items, &w.facts[j])
			g.bodies = append(g.bodies, g.items[start:])
			size += len(g.items) - start + len(",\n")
		}
		alone := len(g.bodies) == 1 && size-len("[\n\n]")-len(",\n") <= l.opts.MaxFrame
		if size > l.opts.MaxFrame && !alone {
			l.seq.Undo(fresh)
			g.bodies, size = g.bodies[:bodies], before
			if bodies > 0 {
				copy(w.facts, g.given) // their causations may name facts that are never written
				return i               // the write begins the next frame
			}
			w.err = sequencer.TooLarge(l.opts.MaxFrame)
		}
	}
	return len(writes)
}

// finish writes the bodies that assign built, commits to the sequencer or rolls back, and answers the writers.
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

// since reports whether w has a fact whose seq is at least first.
func (w *write) since(first uint64) bool {
	for i := range w.facts {
		if w.facts[i].Seq >= first {
			return true
		}
	}
	return false
}

// frame builds the group's frame in the block, or in a new block if that is full. Frames never change, and
// neighbours in a block can be joined ([wire.Join]). A single large fact is not copied: items become its frame.
func (g *group) frame() []byte {
	if len(g.bodies) == 1 && len(g.items) > groupSize {
		if frame := g.items[:len(wire.OpenFrame(nil))+len(g.bodies[0])]; &frame[len(frame)-1] == &g.bodies[0][len(g.bodies[0])-1] {
			g.items, g.block = nil, nil
			return wire.CloseFrame(frame, 0)
		}
	}
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
