// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"maps"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// Stats implements backend.Log. Its only I/O is to check the name of the lock file.
func (l *Log) Stats(ctx context.Context) (stats backend.Stats, err error) {
	defer wrap(&err, "stats")
	err = l.goOn(ctx)
	if err == nil {
		err = l.here()
	}
	if err != nil {
		return stats, err
	}
	s := l.state.Load()
	disk := &backend.Storage{LastSync: s.lastSync, Groups: s.groups, Grouped: s.grouped, QuarantineBytes: l.kept.Load(), Damaged: l.damaged(), ReserveBytes: uint64(l.dir.reserve.bytes())}
	stats = backend.Stats{Log: l.dir.id.Log, Ancestors: slices.Clone(l.dir.id.Ancestors), LastSeq: s.last, DurableSeq: s.durable, Horizons: maps.Clone(s.horizons), Storage: disk}
	stats.LastTime = s.lastTime
	l.mu.Lock()
	stats.Syncs = l.syncs
	l.mu.Unlock()
	if h := l.head.Load(); h != nil && !l.gaps.Load() {
		stats.Head = *h
	}
	if err := l.failure(); err != nil {
		stats.Failed = err.Error()
	}
	count := func(f *format.File) {
		if stats.FirstSeq == 0 && len(f.Points) > 0 {
			stats.FirstSeq = f.Points[0].Seq
		}
		stats.Facts += f.Facts
		if f.Snapshot {
			disk.Snapshots++
			disk.SnapshotBytes += uint64(f.Size)
		} else {
			disk.Segments++
			disk.SegmentBytes += uint64(f.Size)
		}
	}
	for _, s := range s.sealed {
		count(&s.File)
		disk.IndexBytes += uint64(s.index.Load())
		if !s.indexed() {
			disk.Unindexed++
		}
	}
	count(&s.current)
	disk.AheadBytes = uint64(max(0, s.active.ahead.Load()-s.current.Size))
	stats.Bytes = disk.SegmentBytes + disk.SnapshotBytes + disk.IndexBytes + disk.AheadBytes + disk.QuarantineBytes + disk.ReserveBytes
	return stats, nil
}
