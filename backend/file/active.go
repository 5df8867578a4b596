package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// An active segment is the one that is written to.
type active struct {
	log     *Log
	piece   *piece
	file    vfs.File
	end     int64 // where the next frame goes; the committer's
	markers bool  // it is synced now and then only, and has markers that say so

	// ahead is up to where the file has zeros: a frame that ends there or before needs no lock.
	// It changes under keeping only; with markers, where nothing is written ahead, by the committer.
	ahead atomic.Int64

	// keeping is held while space is written ahead or the file is synced beside the committer.
	keeping sync.Mutex
	retired bool // there is a newer segment; guarded by keeping
}

// Space written ahead: its size is that of what the segment has already, within these bounds.
const (
	minAhead = 256 << 10
	maxAhead = 8 << 20
)

var zeros [1 << 20]byte

// facts returns how many facts the segment has.
func (a *active) facts() uint64 { return a.piece.facts }

// begin makes the active segment whose first fact will have seq first. An error that is ErrFailed
// leaves unknown what the directory holds; after any other, nothing has changed.
//
//	open(NAME.tmp, O_CREAT|O_TRUNC)
//	pwrite(header), pwrite(zeros)
//	fdatasync(NAME.tmp)
//	rename(NAME.tmp, NAME)
//	fsync(directory)
func (l *Log) begin(first uint64) (*active, error) {
	h := header{Kind: kindSegment, FirstSeq: first, CreatedAt: seconds(l.opts.Now()), Sync: l.opts.Sync}.frame(0)
	n, err := l.create(segmentName(first))
	if err != nil {
		return nil, err
	}
	a := &active{
		log: l, file: n.file, end: int64(len(h)), markers: l.opts.Sync != SyncAlways,
		piece: &piece{name: n.name, first: first, last: first - 1, size: int64(len(h)),
			sync: l.opts.Sync, check: binary.BigEndian.Uint32(h[len(h)-4:])},
	}
	a.ahead.Store(a.end)
	if err = vfs.WriteAll(a.file, h, 0); err == nil && !a.markers {
		err = a.zero(min(minAhead, l.opts.SegmentSize))
	}
	if err != nil {
		return nil, errors.Join(err, n.discard())
	}
	if err := n.install(nil); err != nil {
		return nil, errors.Join(err, a.file.Close())
	}
	return a, nil
}

// write writes a frame at the end of the segment, and leaves end as it is.
func (a *active) write(frame []byte) error {
	end := a.end + int64(len(frame))
	if end > a.ahead.Load() {
		if !a.markers {
			// The keeper must not write zeros over it, so it goes on from there.
			a.keeping.Lock()
			defer a.keeping.Unlock()
		}
		defer func() { a.ahead.Store(max(a.ahead.Load(), end)) }()
	}
	if !a.markers && a.ahead.Load()-end < a.step()/2 {
		a.log.nudge()
	}
	return vfs.WriteAll(a.file, frame, a.end)
}

// step is how much space to have ahead.
func (a *active) step() int64 { return stepAt(a.end) }

func stepAt(end int64) int64 { return min(max(end, minAhead), maxAhead) }

// zero writes zeros up to an offset. The caller holds keeping, or has the segment for itself.
func (a *active) zero(to int64) error {
	for at := a.ahead.Load(); at < to; at = a.ahead.Load() {
		n := min(int64(len(zeros)), to-at)
		if err := vfs.WriteAll(a.file, zeros[:n], at); err != nil {
			return err
		}
		a.ahead.Store(at + n)
	}
	return nil
}

// cut makes the file end where the next frame goes.
func (a *active) cut() error {
	if !a.markers {
		a.keeping.Lock()
		defer a.keeping.Unlock()
	}
	return a.cutLocked()
}

func (a *active) cutLocked() error {
	a.ahead.Store(a.end)
	return a.file.Truncate(a.end)
}

// seal gives back the space ahead and makes all of the segment durable. The caller holds keeping,
// or has the segment for itself.
//
//	ftruncate(segment)
//	fdatasync(segment)
func (a *active) seal() error {
	if err := a.cutLocked(); err != nil {
		return fmt.Errorf("seal segment %s: %w", a.piece.name, err)
	}
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("seal segment %s: sync: %w", a.piece.name, err)
	}
	return nil
}

// mark notes in the segment that facts through a seq are durable. Without room for that, nothing is
// noted.
func (a *active) mark(through uint64) error {
	frame := wire.AppendFrame(nil, appendMarker(nil, through))
	if err := a.write(frame); err != nil {
		return a.cut()
	}
	a.end += int64(len(frame))
	return nil
}
