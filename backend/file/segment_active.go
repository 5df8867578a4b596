// SPDX-License-Identifier: Apache-2.0

package file

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// An active is the file of the active segment, which the committer writes to.
type active struct {
	name    string
	file    vfs.File
	end     int64 // the offset of the next frame; used by the committer only
	markers bool  // it is not synced with each group, and has markers

	// The file has zeros up to ahead: a frame that ends there or before needs no lock. With markers, no space is written
	// ahead, and only the committer uses ahead. Otherwise it changes with flushing held.
	ahead atomic.Int64

	// flushing is held while space is written ahead, or while another goroutine than the committer syncs the file. It
	// guards the fields below it.
	flushing sync.Mutex
	retired  bool  // there is a newer segment
	durable  int64 // with markers: the offset before which all bytes are durable

	// beside is the same file, opened a second time, to sync space that was written ahead; nil: not yet. Linux reports a
	// failed write once to each open file. If the flusher used the committer's file, it could take the report that the
	// committer needs.
	beside vfs.File
}

// The space written ahead is as large as what the segment already has, within these bounds.
const (
	minAhead = 256 << 10
	maxAhead = 8 << 20
)

var zeros [1 << 20]byte

// begin creates the active segment whose first fact will have seq first. If the error is ErrFailed, the content of the
// directory is unknown; after any other error, nothing has changed.
//
//	open(NAME.tmp, O_CREAT|O_TRUNC)
//	pwrite(header), pwrite(zeros)
//	fdatasync(NAME.tmp)
//	rename(NAME.tmp, NAME)
//	fsync(directory)
func (d *directory) begin(first uint64, o *Options) (*active, format.File, error) {
	f := newSegment(first, first-1)
	f.Sync = string(o.Sync)
	h := format.Header{Kind: format.KindSegment, FirstSeq: first, CreatedAt: format.Seconds(d.now()), Sync: f.Sync, Boot: d.bootOf(o.Sync), Identity: d.id}.Frame(0)
	body, _, _ := wire.CutFrame(h)
	f.Size, f.Header, f.Check = int64(len(h)), int64(len(h)), format.CRC(body)
	n, err := d.create(f.Name)
	if err != nil {
		return nil, f, err
	}
	a := &active{name: n.name, file: n.file, end: f.Size, durable: f.Size, markers: o.Sync != SyncAlways}
	a.ahead.Store(a.end)
	if err = vfs.WriteAll(a.file, h, 0); err == nil && !a.markers && !d.reserve.lent.Load() {
		err = a.zero(min(minAhead, o.SegmentSize))
	}
	if err != nil {
		return nil, f, errors.Join(err, n.discard())
	}
	if err := n.install(nil); err != nil {
		return nil, f, errors.Join(err, a.file.Close())
	}
	return a, f, nil
}

// bootOf returns the boot ID for the header of a segment. Under SyncAlways it is empty, since a crash of the machine loses
// no facts.
func (d *directory) bootOf(s Sync) string {
	if s == SyncAlways {
		return ""
	}
	return d.boot
}

// write writes a frame at the end of the segment, and does not change end.
func (a *active) write(frame []byte) error {
	end := a.end + int64(len(frame))
	if end > a.ahead.Load() {
		if !a.markers {
			// The flusher must not overwrite the frame with zeros, so its zeros continue after the frame.
			a.flushing.Lock()
			defer a.flushing.Unlock()
		}
		defer func() { a.ahead.Store(max(a.ahead.Load(), end)) }()
	}
	return vfs.WriteAll(a.file, frame, a.end)
}

// syncs is how often a sync is tried that fails for lack of memory, or is interrupted.
const syncs = 10

// syncAgain retries a sync of f that failed with a temporary error. Before each retry it calls again, which must rewrite
// the bytes that may not be durable, since the kernel may treat them as clean. Any other error is permanent, and is
// returned.
func syncAgain(f vfs.File, err error, again func() error) error {
	for n := 1; n < syncs && vfs.Passes(err); n++ {
		time.Sleep(time.Millisecond << n)
		if err = again(); err == nil {
			err = f.Sync()
		}
	}
	return err
}

// sync makes the last frame durable; all earlier frames are durable.
func (a *active) sync(frame []byte) error {
	err := a.file.Sync()
	if err != nil {
		err = syncAgain(a.file, err, func() error { return vfs.WriteAll(a.file, frame, a.end) })
	}
	return err
}

// syncFrames makes the frames up to an offset durable. The caller holds flushing, or is the only user of the segment.
func (a *active) syncFrames(to int64) error {
	err := a.file.Sync()
	if err != nil {
		from := to // without markers, all frames are durable
		if a.markers {
			from = a.durable
		}
		err = syncAgain(a.file, err, func() error { return a.rewrite(from, to) })
	}
	if err == nil {
		a.durable = to
	}
	return err
}

// rewrite reads the frames between two offsets and writes them again. It fails if a frame does not match its CRC.
func (a *active) rewrite(from, to int64) error {
	r := format.NewReader(a.file, a.name, false, from, to)
	var frame []byte
	for {
		body, err := r.Raw()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		frame = wire.AppendFrame(frame[:0], body)
		if err := vfs.WriteAll(a.file, frame, r.Offset()); err != nil {
			return err
		}
	}
}

// close closes the file. The caller holds flushing, or is the only user of the segment.
func (a *active) close() error {
	err := a.file.Close()
	if a.beside != nil {
		err = errors.Join(err, a.beside.Close())
	}
	return err
}

// stepAt returns the size of the space to write ahead at an offset.
func stepAt(end int64) int64 { return min(max(end, minAhead), maxAhead) }

// zero writes zeros up to an offset. The caller holds flushing, or is the only user of the segment.
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

// cut truncates the file to the end of its frames.
func (a *active) cut() error {
	if !a.markers {
		a.flushing.Lock()
		defer a.flushing.Unlock()
	}
	return a.cutLocked()
}

func (a *active) cutLocked() error {
	a.ahead.Store(a.end)
	return a.file.Truncate(a.end)
}

// seal cuts off the space ahead and makes the whole segment durable. The caller holds flushing, or is the only user of the
// segment.
//
//	ftruncate(segment)
//	fdatasync(segment)
func (a *active) seal() error {
	if err := a.cutLocked(); err != nil {
		return fmt.Errorf("seal segment %s: %w", a.name, err)
	}
	if err := a.syncFrames(a.end); err != nil {
		return fmt.Errorf("seal segment %s: sync: %w", a.name, err)
	}
	return nil
}

// mark writes a marker that the facts through a seq are durable. If there is no room, it does nothing.
func (a *active) mark(through uint64) error { return a.markAs(format.AppendMarker(nil, through)) }

func (a *active) markAs(marker []byte) error {
	frame := wire.AppendFrame(nil, marker)
	if err := a.write(frame); err != nil {
		return a.cut()
	}
	a.end += int64(len(frame))
	return nil
}
