package file

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// flush is the flusher: the goroutine that does, beside the committer, what no writer should wait for. It
// writes space ahead, syncs now and then under SyncInterval, makes the indexes of sealed segments, and keeps the log's head.
func (l *Log) flush(ctx context.Context) {
	defer close(l.flushed)
	keeper := headKeeper{log: l, last: l.state.Load().last}
	keeper.look(ctx)
	look := time.NewTicker(time.Second)
	defer look.Stop()
	var tick <-chan time.Time
	if l.opts.Sync == SyncInterval {
		t := time.NewTicker(l.opts.SyncInterval)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			_ = l.here() // those who follow the log must learn of it
			l.keepReserve()
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

// writeAhead extends the zeros after the last frame, so that syncs need not wait for the file to grow.
//
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
		if a.ahead.Load() >= to-step/4 {
			return
		}
		if err := a.zero(min(to, a.ahead.Load()+int64(len(zeros)))); err != nil {
			// Facts may still find room; otherwise their writers are told.
			l.log.Debug("no space could be written ahead", zap.String("path", l.dir.path), zap.Error(err))
			return
		}
		if err := a.file.Sync(); err != nil {
			_ = l.fail(fmt.Errorf("sync space written ahead: %w", err))
			return
		}
	}
}

// syncUnsynced makes durable the facts that only the kernel has, and marks that in the segment.
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
	err := a.file.Sync()
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

// indexSealed makes the indexes that sealed segments lack, or that lack the hash tree. The log works without them, and opens
// more slowly. That may mean to read a large file: facts are synced meanwhile whenever tick says so.
func (l *Log) indexSealed(ctx context.Context, tick <-chan time.Time) {
	if l.maintenance.Lock(ctx) != nil {
		return
	}
	defer l.maintenance.Unlock()
	if l.here() != nil {
		return
	}
	for _, s := range l.state.Load().sealed {
		if s.index.Load() < 0 || s.index.Load() > 0 && s.tree.Load() != nil {
			continue
		}
		tree := format.NewTree(s.First)
		data, err := l.dir.buildIndex(ctx, &s.File, tree, func() {
			select {
			case <-tick:
				l.syncUnsynced()
			default:
			}
		})
		if err == nil {
			s.tree.Store(&tree.Range)
			err = l.dir.writeIndex(s, data)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.index.Store(-1)
			l.log.Warn("a segment has no index and will be read whole when the log is opened",
				zap.String("path", l.dir.join(s.Name)), zap.Error(err))
		}
	}
}
