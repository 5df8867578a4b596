package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/igniter-store/igniter/backend"
)

// Stats implements backend.Stater.
func (l *Log) Stats(ctx context.Context) (backend.Stats, error) {
	s, err := l.stats(ctx)
	if err != nil {
		return backend.Stats{}, fmt.Errorf("file: stats: %w", err)
	}
	return s, nil
}

func (l *Log) stats(ctx context.Context) (backend.Stats, error) {
	if err := ctx.Err(); err != nil {
		return backend.Stats{}, err
	}
	kept, err := l.quarantined()
	if err != nil {
		return backend.Stats{}, err
	}
	l.mu.Lock()
	if l.closed || l.closing {
		l.mu.Unlock()
		return backend.Stats{}, backend.ErrClosed
	}
	disk := &backend.Storage{LastSync: l.lastSync, Groups: l.groups, Grouped: l.grouped, QuarantineBytes: kept}
	s := backend.Stats{LastSeq: l.last, DurableSeq: l.durable, Storage: disk}
	for _, p := range l.pieces {
		if s.FirstSeq == 0 && len(p.points) > 0 {
			s.FirstSeq = p.points[0].seq
		}
		if p.snapshot {
			disk.Snapshots++
			disk.SnapshotBytes += uint64(p.size)
		} else {
			disk.Segments++
			disk.SegmentBytes += uint64(p.size)
		}
		disk.IndexBytes += uint64(max(0, p.index.Load()))
		s.Facts += p.facts
	}
	disk.AheadBytes = uint64(max(0, l.active.ahead.Load()-l.active.piece.size))
	l.mu.Unlock()
	s.Bytes = disk.SegmentBytes + disk.SnapshotBytes + disk.IndexBytes + disk.AheadBytes + disk.QuarantineBytes
	return s, nil
}

// quarantined returns how many bytes the quarantine has.
func (l *Log) quarantined() (uint64, error) {
	entries, err := l.opts.fs.ReadDir(l.path(quarantineName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	total := uint64(0)
	for _, e := range entries {
		info, err := l.opts.fs.Stat(filepath.Join(l.path(quarantineName), e.Name()))
		if err != nil {
			return 0, err
		}
		total += uint64(info.Size())
	}
	return total, nil
}
