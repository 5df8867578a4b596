package file

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
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
// once, without a sync; see [Log.commitOwn]. [Log.end] waits until the place is empty.
func (l *Log) commit() {
	for l.take(&l.group) {
		l.group.run(true)
	}
}

// commitOwn is the committer for the first group, which has the write of the caller. Then, or where
// the group has to wait for the disk and the caller will not, a goroutine goes on.
func (l *Log) commitOwn(patient bool) {
	g := &l.group
	l.take(g)
	done := g.run(patient)
	if done && !l.waiting() {
		return
	}
	go func() {
		if !done {
			g.run(true)
		}
		l.commit()
	}()
}

// waiting reports whether something waits. If not, it gives up the committer's place.
func (l *Log) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 {
		return true
	}
	l.committing = false
	l.idle.Broadcast()
	return false
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
	g.rest, g.ready = g.writes, 0
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return true
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
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, vfs.ErrShort)
}

// publish makes the facts of a frame that is in the active segment visible.
func (l *Log) publish(f tailFrame) {
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.active.piece
	p.points = mark(p.points, f.first, p.size, pointEvery)
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
