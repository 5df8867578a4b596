package file

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// keep is the keeper: the goroutine that does beside the committer what nobody should wait for. It
// writes space ahead, syncs now and then where the log is not synced for each group, and makes the
// indexes of sealed segments.
func (l *Log) keep() {
	defer close(l.keeper)
	var tick <-chan time.Time
	if l.opts.Sync == SyncInterval {
		t := time.NewTicker(l.opts.SyncInterval)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-l.quit:
			return
		case <-tick:
			l.syncUnsynced()
		case <-l.space:
			l.writeAhead()
			l.indexSealed()
		}
	}
}

// current returns the active segment and its published size.
func (l *Log) current() (*active, int64, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active, l.active.piece.size, l.last
}

// writeAhead extends the zeros after the last frame, so that syncs need not wait for the file to
// grow.
//
//	pwrite(segment, zeros)
//	fdatasync(segment)
func (l *Log) writeAhead() {
	a, _, _ := l.current()
	a.keeping.Lock()
	defer a.keeping.Unlock()
	for l.failure() == nil && !a.retired && !a.markers {
		_, end, _ := l.current()
		step := stepAt(end)
		to := min(end+step, l.opts.SegmentSize)
		if a.ahead.Load() >= to-step/4 {
			return
		}
		if err := a.zero(min(to, a.ahead.Load()+int64(len(zeros)))); err != nil {
			// Facts may still find room; whoever writes them is told if not.
			l.log.Debug("no space could be written ahead", zap.String("path", l.dir), zap.Error(err))
			return
		}
		if err := a.file.Sync(); err != nil {
			_ = l.fail(fmt.Errorf("sync space written ahead: %w", err))
			return
		}
	}
}

// syncUnsynced makes durable what is with the kernel only, and notes in the segment that it is.
//
//	fdatasync(segment)
//	pwrite(segment, marker)
func (l *Log) syncUnsynced() {
	a, through, ok := l.sync()
	if !ok {
		return
	}
	// The log may be closing: then that makes all of it durable.
	_ = l.do(context.Background(), func() error {
		l.mu.Lock()
		if l.durable < through {
			l.durable, l.lastSync = through, l.opts.Now()
		}
		l.mu.Unlock()
		if l.active != a || l.failure() != nil {
			return nil
		}
		if err := a.mark(through); err != nil {
			return l.fail(err)
		}
		l.mu.Lock()
		a.piece.size = a.end
		l.mu.Unlock()
		return nil
	})
}

// sync syncs the active segment, if there is something to sync.
func (l *Log) sync() (a *active, through uint64, ok bool) {
	a, _, _ = l.current()
	a.keeping.Lock()
	defer a.keeping.Unlock()
	_, _, through = l.current()
	if a.retired || through == l.durableSeq() || l.failure() != nil {
		return a, 0, false
	}
	if err := a.file.Sync(); err != nil {
		_ = l.fail(fmt.Errorf("sync: %w", err))
		return a, 0, false
	}
	return a, through, true
}

func (l *Log) durableSeq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// indexSealed makes the indexes that sealed segments lack. The log works without, and opens more
// slowly.
func (l *Log) indexSealed() {
	select {
	case l.maintaining <- struct{}{}:
		defer l.maintained()
	case <-l.quit:
		return
	}
	for _, p := range l.sealedPieces() {
		select {
		case <-l.quit:
			return
		default:
		}
		if p.index.Load() != 0 {
			continue
		}
		if err := l.makeIndex(context.Background(), p); err != nil {
			p.index.Store(-1)
			l.log.Warn("a segment has no index and will be read whole when the log is opened",
				zap.String("path", l.path(p.name)), zap.Error(err))
		}
	}
}

// sealedPieces returns the pieces that do not change any more. With maintaining held, nobody puts
// others in their place.
func (l *Log) sealedPieces() []*piece {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pieces[:len(l.pieces)-1]
}
