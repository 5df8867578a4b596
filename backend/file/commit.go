// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// groupSize is about the number of bytes of facts that are written and synced together, unless a single write has more.
const groupSize = 1 << 20

// yields is how often the committer lets other goroutines run before it takes the waiting writes. The writers of the last
// group are about to write again. Without the yields, they would split into two halves that take turns.
const yields = 4

// commit is the committer: it numbers facts and writes them. It takes the waiting writes, makes one group
// of them, writes and syncs it, and begins again, until nothing waits.
//
// A writer that finds no committer starts one as a goroutine, or becomes the committer itself to save two switches of
// goroutines. It becomes the committer if it would wait for its write anyway (see [ctxsync.IsPatient]), or if the write ends at
// once, without a sync; see [Log.commitOwn]. [Log.end] waits until there is no committer.
func (l *Log) commit() {
	for l.take(&l.group) {
		l.group.run(true)
	}
}

// commitOwn makes the caller the committer for the first group, which has the caller's write. Then a goroutine goes on. If
// the group has to wait for the disk and the caller is not patient, the goroutine writes the group, too.
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

// waiting reports whether writes wait. If none wait, the caller is no longer the committer.
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

// take takes the next group: one task, or writes of up to groupSize. It returns false if nothing waits; then the caller is
// no longer the committer.
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

// write writes the frame of the group's bodies, facts from seq first on, and syncs it under SyncAlways.
// Only then are the facts visible.
//
//	pwrite(segment, frame)
//	fdatasync(segment)      under SyncAlways
func (g *group) write(first uint64) error {
	l := g.log
	if l.dir.reserve.lent.Load() {
		return nothingWritten(fmt.Errorf("room is being made: %w", syscall.ENOSPC))
	}
	if err := g.here(); err != nil { // another process may have written to the same place
		return err
	}
	frame := g.frame()
	s := l.state.Load()
	if s.active.end+int64(len(frame)) > l.opts.SegmentSize && s.current.Facts > 0 {
		if err := l.roll(first); err != nil {
			return err
		}
	}
	a := l.state.Load().active
	if l.low(a, a.end) {
		l.nudge()
	}
	if err := a.write(frame); err != nil {
		return g.undo(a, err)
	}
	if l.opts.Sync == SyncAlways {
		began := time.Now()
		err := a.sync(frame)
		if l.synced(began); err != nil {
			return l.fail(fmt.Errorf("sync: %w", err))
		}
	}
	if err := g.here(); err != nil {
		return err
	}
	a.end += int64(len(frame))
	l.publish(tailFrame{first, first + uint64(len(g.bodies)) - 1, frame}, a.end)
	return nil
}

// lookEvery is how often the committer checks that the directory is still the log's own. Under SyncAlways it checks with
// each group.
const lookEvery = time.Millisecond

// here returns an error if the active file may have been removed, or may belong to another process.
func (g *group) here() error {
	l := g.log
	if now := time.Now(); l.opts.Sync == SyncAlways || now.Sub(l.seen) >= lookEvery {
		l.seen = now
		return l.here()
	}
	return nil
}

// undo cuts off the bytes that a failed write may have left.
//
//	ftruncate(segment)    the next sync makes it durable; until then, recovery would cut it off too
func (g *group) undo(a *active, cause error) error {
	if err := a.cut(); err != nil {
		return g.log.fail(fmt.Errorf("cut off a failed write: %w", errors.Join(err, cause)))
	}
	return nothingWritten(cause)
}

func nothingWritten(cause error) error {
	if isFull(cause) {
		return fmt.Errorf("%w: nothing was written, make room and write again: %w", backend.ErrFull, cause)
	}
	return fmt.Errorf("nothing was written: %w", cause)
}

// isFull reports whether a write failed because there is no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, vfs.ErrShort)
}

// publish makes the facts of a frame at the end of the active segment visible to readers.
func (l *Log) publish(f tailFrame, end int64) {
	now := l.opts.Now()
	facts := f.last - f.first + 1
	l.update(func(s *state) {
		s.current.Mark(f.first, s.current.Size)
		s.current.Size = end
		s.current.Facts += facts
		s.current.Last, s.last, s.lastTime = f.last, f.last, l.seq.Time()
		s.tail.add(f)
		s.groups++
		s.grouped += facts
		if l.opts.Sync == SyncAlways {
			s.durable, s.lastSync = f.last, now
		}
	})
}

// roll seals the active segment and begins the next one, whose first fact will have seq first. A segment without facts is
// replaced.
func (l *Log) roll(first uint64) error {
	a := l.state.Load().active
	a.flushing.Lock()
	defer a.flushing.Unlock()
	if err := l.here(); err != nil {
		return err
	}
	if err := a.seal(); err != nil && vfs.Passes(err) && !a.markers {
		return nothingWritten(err) // all facts were already durable
	} else if err != nil {
		return l.fail(err)
	}
	next, current, err := l.dir.begin(first, &l.opts)
	if err != nil {
		if gone := l.here(); gone != nil {
			return gone
		}
		if errors.Is(err, backend.ErrFailed) {
			return l.fail(err)
		}
		return nothingWritten(fmt.Errorf("begin a segment: %w", err))
	}
	now := l.opts.Now()
	l.update(func(s *state) {
		if n := len(s.sealed); s.current.Facts > 0 {
			s.sealed = append(s.sealed[:n:n], &segment{File: s.current})
		}
		s.active, s.current = next, current
		s.durable, s.lastSync = s.last, now
	})
	a.retired = true
	l.nudge()
	return a.close()
}

// nudge tells the flusher that there is work.
func (l *Log) nudge() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

// rollIfUsed begins a new segment if the active one has facts, so that they can go into a snapshot or be
// pruned.
func (l *Log) rollIfUsed(ctx context.Context) error {
	return l.do(ctx, func() error {
		if err := l.failure(); err != nil {
			return err
		}
		if l.state.Load().current.Facts == 0 {
			return nil
		}
		return l.roll(l.seq.Next())
	})
}
