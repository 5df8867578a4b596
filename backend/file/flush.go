// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// flush is the flusher: a goroutine for work that no writer should wait for. It writes space ahead, syncs at intervals
// under SyncInterval, makes the indexes of sealed segments, and keeps the log's head.
func (l *Log) flush(ctx context.Context) {
	defer close(l.flushed)
	var tick <-chan time.Time
	if l.opts.Sync == SyncInterval {
		t := time.NewTicker(l.opts.SyncInterval)
		defer t.Stop()
		tick = t.C
	}
	keeper := headKeeper{log: l, last: l.state.Load().last, between: func() { l.meanwhile(tick) }}
	keeper.look(ctx)
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			_ = l.here() // ends the loops of followers if the log is gone
			l.keepReserve()
			l.indexSealed(ctx, tick)
			keeper.look(ctx)
		case <-tick:
			l.syncUnsynced()
		case <-l.work:
			l.writeAhead()
			l.keepReserve()
			l.indexSealed(ctx, tick)
			keeper.look(ctx)
		}
	}
}

// low reports whether the space ahead of an offset, where the active segment's frames end, is running out.
func (l *Log) low(a *active, end int64) bool {
	ahead := a.ahead.Load()
	return !a.markers && ahead < l.opts.SegmentSize && ahead-end < stepAt(end)/2
}

// writeAhead extends the zeros after the last frame, so that syncs need not wait for the file to grow.
//
//	open(segment)             once
//	pwrite(segment, zeros)
//	fdatasync(segment)
func (l *Log) writeAhead() {
	a := l.state.Load().active
	a.flushing.Lock()
	defer a.flushing.Unlock()
	for l.here() == nil && l.failure() == nil && !a.retired && !a.markers && !l.dir.reserve.lent.Load() {
		end := l.state.Load().current.Size
		step := stepAt(end)
		to := min(end+step, l.opts.SegmentSize)
		if ahead := a.ahead.Load(); ahead >= to || to < l.opts.SegmentSize && ahead >= to-step/4 {
			return
		}
		var err error
		if a.beside == nil {
			a.beside, err = l.dir.fs.Edit(l.dir.join(a.name))
		}
		if err == nil {
			err = a.zero(min(to, a.ahead.Load()+int64(len(zeros))))
		}
		if err == nil {
			if err = a.beside.Sync(); err != nil && !vfs.Passes(err) {
				_ = l.fail(fmt.Errorf("sync space written ahead: %w", err))
				return
			}
		}
		if err != nil {
			// Facts may still find room; otherwise their writers get an error.
			l.log.Debug("no space could be written ahead", zap.String("path", l.dir.path), zap.Error(err))
			return
		}
	}
}

// syncUnsynced syncs the facts that are not durable yet, and writes a marker to the segment.
//
//	fdatasync(segment)
//	pwrite(segment, marker)
func (l *Log) syncUnsynced() {
	a, through, ok := l.sync()
	if !ok {
		return
	}
	// An error means that the log is being closed, which makes all of it durable.
	_ = l.do(context.Background(), func() error {
		now := l.opts.Now()
		l.update(func(s *state) {
			if s.durable < through {
				s.durable, s.lastSync = through, now
			}
		})
		if l.state.Load().active != a || l.here() != nil || l.failure() != nil {
			return nil
		}
		if err := a.mark(through); err != nil {
			return l.fail(err)
		}
		l.update(func(s *state) { s.current.Size = a.end })
		return nil
	})
}

// sync syncs the active segment, if there is something to sync.
func (l *Log) sync() (a *active, through uint64, ok bool) {
	a = l.state.Load().active
	a.flushing.Lock()
	defer a.flushing.Unlock()
	s := l.state.Load()
	if a.retired || s.last == s.durable || l.failure() != nil {
		return a, 0, false
	}
	began := time.Now()
	err := a.syncFrames(s.current.Size)
	if l.synced(began); err != nil {
		_ = l.fail(fmt.Errorf("sync: %w", err))
		return a, 0, false
	}
	return a, s.last, true
}

// synced counts a sync.
func (l *Log) synced(began time.Time) {
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.syncs.Add(took)
}

// indexSealed makes missing indexes of sealed segments, and indexes that lack the hash tree. Without them the log works,
// but opens more slowly and has no newer head. Making an index may take long; see meanwhile. A failed index is tried again
// at growing intervals. During a snapshot or a prune, which may take minutes, indexSealed does nothing, so that the flusher
// can go on syncing facts.
func (l *Log) indexSealed(ctx context.Context, tick <-chan time.Time) {
	s := l.state.Load()
	now := time.Now()
	if !slices.ContainsFunc(s.sealed, func(s *segment) bool { return s.indexDue(now) }) || !l.maintenance.TryLock() {
		return
	}
	defer l.maintenance.Unlock()
	for _, s := range l.state.Load().sealed {
		if !s.indexDue(now) {
			continue
		}
		if l.here() != nil {
			return
		}
		err := l.index(ctx, s, func() { l.meanwhile(tick) })
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.indexPause = min(max(2*s.indexPause, minIndexPause), maxIndexPause)
			s.indexAgain = time.Now().Add(s.indexPause)
			l.noteDamage(err)
			l.log.Warn("a segment has no index, so that it is read whole when the log is opened, and the log's head stays before it",
				zap.String("path", l.dir.join(s.Name)), zap.Duration("again_in", s.indexPause), zap.Error(err))
		}
	}
}

// How long to wait until a failed index of a segment is tried again: the first time, and at most.
const (
	minIndexPause = time.Second
	maxIndexPause = time.Hour
)

// indexDue reports whether it is time to make the index of a segment. Only the flusher asks.
func (s *segment) indexDue(now time.Time) bool { return !s.indexed() && !now.Before(s.indexAgain) }

// index makes the index of a segment. between is called now and then.
func (l *Log) index(ctx context.Context, s *segment, between func()) error {
	file := indexFile{dir: l.dir, name: s.Name}
	x := format.NewIndexBuilder()
	x.Tree, x.Spill = format.NewTree(s.First), file.open
	of, err := l.dir.buildIndex(ctx, &s.File, x, between)
	if err != nil {
		return errors.Join(err, file.discard())
	}
	x.Tree.Through(of.Last) // other goroutines read it from now on
	s.tree.Store(&x.Tree.Range)
	return file.finish(s, func(to format.ReadWriter) (int64, error) { return x.Write(to, &of, l.opts.Now()) })
}

// meanwhile is called in the middle of long work. It syncs facts if tick is due, and writes space ahead if it is running
// out. Without space ahead, each sync would wait for the file to grow until the long work is done.
func (l *Log) meanwhile(tick <-chan time.Time) {
	select {
	case <-tick:
		l.syncUnsynced()
	default:
	}
	if s := l.state.Load(); l.low(s.active, s.current.Size) {
		l.writeAhead()
	}
}
