package file

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// groupSize is how many bytes of facts are written and synced together, about, unless a single
// write has more.
const groupSize = 1 << 20

// yields is how often the committer lets others run before it takes what waits: those whose facts
// the last group had are about to write again, and would otherwise fall into two halves that take
// turns.
const yields = 4

// commit is the committer: it numbers facts and writes them, alone until nothing waits. It takes what
// waits, makes one group of it, writes and syncs that at once, and begins again.
//
// Who finds the committer's place empty becomes the committer: a goroutine that he starts or, to save
// the way there and back, the writer itself, if it would wait for the end anyway or the end comes at
// once, without a sync. It has its answer after the first group: own says so, and then a goroutine
// goes on with what waits. [Log.end] waits until the place is empty.
func (l *Log) commit(own bool) {
	g := &l.group
	for l.take(g) {
		g.run()
		if own && l.waiting() {
			go l.commit(false)
			return
		}
	}
}

func (l *Log) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0
}

// take takes what goes together: a task by itself, or writes of up to groupSize. If nothing waits, it
// gives up the committer's place and reports false.
func (l *Log) take(g *group) bool {
	if g.shared {
		for range yields {
			runtime.Gosched()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && (n == 0 || l.queue[0].task == nil && l.queue[n].task == nil && size+l.queue[n].size <= groupSize) {
		size += l.queue[n].size + factOverhead*len(l.queue[n].facts)
		n++
	}
	if n == 0 {
		l.committing = false
		l.idle.Broadcast()
		return false
	}
	g.shared = n > 1
	g.writes = append(g.writes[:0], l.queue[:n]...)
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return true
}

// factOverhead is what a fact takes beside its values, about.
const factOverhead = 256

// A group is writes that are written and synced at once. It is used again for the next ones.
type group struct {
	log    *Log
	shared bool // it had the facts of several writers
	writes []*write
	items  []byte   // the bodies of the new facts, one after the other
	bodies [][]byte // the same, each by itself
	block  []byte   // where frames are built; they stay there, for the tail
}

// run writes the group and answers those who wait for it.
func (g *group) run() {
	if task := g.writes[0].task; task != nil {
		g.writes[0].err = task()
		g.writes[0].done <- struct{}{}
		return
	}
	for rest := g.writes; len(rest) > 0; {
		n := g.assign(rest)
		g.finish(rest[:n])
		rest = rest[n:]
	}
	clear(g.writes)
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
				return i // it begins the next frame
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
				if w.err == nil && w.since(first) {
					w.err = err
				}
			}
		} else {
			l.seq.Commit()
		}
	}
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

// write writes the frame of the bodies, of facts from seq first on, and makes it durable if the log
// does so for each group. Only then does anybody see the facts.
//
//	pwrite(segment, frame)
//	fdatasync(segment)      under SyncAlways
func (g *group) write(first uint64) error {
	l := g.log
	frame := g.frame()
	last := first + uint64(len(g.bodies)) - 1
	if a := l.active; a.end+int64(len(frame)) > l.opts.SegmentSize && a.facts() > 0 {
		if err := l.roll(first); err != nil {
			return err
		}
	}
	a := l.active
	if err := a.write(frame); err != nil {
		return g.undo(err)
	}
	if l.opts.Sync == SyncAlways {
		if err := a.file.Sync(); err != nil {
			return l.fail(fmt.Errorf("sync: %w", err))
		}
	}
	a.end += int64(len(frame))
	l.publish(tailFrame{first, last, frame})
	return nil
}

// frame builds the frame in the block, and a new block when that is full. Frames in it stay as they
// are, and those behind each other can be joined ([wire.Join]).
func (g *group) frame() []byte {
	need := len(g.items) + len(g.bodies)*len(",\n") + len("[\n\n]") + wire.FrameOverhead
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

// undo cuts off what a failed write may have left behind.
//
//	ftruncate(segment)    made durable by the next sync; until then recovery would cut it
func (g *group) undo(cause error) error {
	l := g.log
	if err := l.active.cut(); err != nil {
		return l.fail(fmt.Errorf("cut off a failed write: %w", errors.Join(err, cause)))
	}
	if isFull(cause) {
		return fmt.Errorf("%w: nothing was written, make room and write again: %w", backend.ErrFull, cause)
	}
	return fmt.Errorf("nothing was written: %w", cause)
}

// isFull reports whether a write failed for want of room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, errShort)
}

// errShort is a file that takes a part of a write and says nothing of why.
var errShort = errors.New("the file took a part of the write only")

// publish makes the facts of a frame that is in the active segment visible.
func (l *Log) publish(f tailFrame) {
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.active.piece
	p.mark(f.first, p.size)
	p.size = l.active.end
	p.facts += f.last - f.first + 1
	p.last, l.last = f.last, f.last
	l.tail.add(f)
	l.groups++
	l.grouped += f.last - f.first + 1
	if l.opts.Sync == SyncAlways {
		l.durable, l.lastSync = f.last, now
	}
	l.wakeReaders()
}

// roll seals the active segment and begins the next one, whose first fact will have seq first.
func (l *Log) roll(first uint64) error {
	a := l.active
	a.keeping.Lock()
	defer a.keeping.Unlock()
	if err := a.seal(); err != nil {
		return l.fail(err)
	}
	next, err := l.begin(first)
	if err != nil {
		if errors.Is(err, backend.ErrFailed) {
			return l.fail(err)
		}
		if isFull(err) {
			return fmt.Errorf("%w: nothing was written, make room and write again: %w", backend.ErrFull, err)
		}
		return fmt.Errorf("nothing was written: begin a segment: %w", err)
	}
	l.mu.Lock()
	l.active = next
	l.pieces = append(l.pieces[:len(l.pieces):len(l.pieces)], next.piece)
	l.durable, l.lastSync = l.last, l.opts.Now()
	l.mu.Unlock()
	a.retired = true
	l.nudge()
	return a.file.Close()
}

// nudge tells the keeper that there is work.
func (l *Log) nudge() {
	select {
	case l.space <- struct{}{}:
	default:
	}
}

// rollIfUsed begins a new segment if the active one has facts, so that they can be a part of a
// snapshot or be pruned.
func (l *Log) rollIfUsed(ctx context.Context) error {
	return l.do(ctx, func() error {
		if err := l.failure(); err != nil {
			return err
		}
		if l.active.facts() == 0 {
			return nil
		}
		return l.roll(l.seq.Next())
	})
}
