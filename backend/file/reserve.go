// SPDX-License-Identifier: Apache-2.0

package file

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// A reserve is a file that only reserves space, so that facts can be removed from a full disk. Prune and WriteSnapshot
// write files before they remove others; if there is no other room, they free the reserve. Writers get ErrFull meanwhile.
type reserve struct {
	dir  *directory
	unit int64 // its size is a multiple of this; 0: the log has no reserve

	mu    sync.Mutex
	size  int64       // of the file
	again time.Time   // when to try again to enlarge it, after a failure
	lent  atomic.Bool // its room is in use
}

// reserveUnit is the unit of the reserve, unless the log has smaller segments. It is enough for a new segment and an index.
// The reserve may be smaller than the largest segment by less than a unit.
const reserveUnit = 64 << 10

// keep makes the reserve large enough to rewrite a file of the given size. Failures, and the state after a crash, do not
// matter.
//
//	open(RESERVE, O_CREAT)       the first time
//	pwrite
//	ftruncate                    if there is no room
func (r *reserve) keep(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unit == 0 {
		return
	}
	want := (bytes+r.unit-1)/r.unit*r.unit + r.unit
	if r.lent.Load() || want <= r.size || time.Now().Before(r.again) || r.dir.held() != nil {
		return
	}
	name := r.dir.join(reserveName)
	f, err := r.dir.fs.Edit(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = r.dir.fs.Create(name)
	}
	if err == nil {
		if r.size, err = f.Size(); err == nil && r.size < want {
			if err = fill(f, r.size, want); err == nil {
				r.size = want
			} else { // leave the room for facts
				err = errors.Join(err, f.Truncate(r.size))
			}
		}
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		r.again = time.Now().Add(time.Minute)
		r.dir.log.Debug("the reserve could not be made", zap.String("path", name), zap.Error(err))
	}
}

// fill writes bytes that do not compress, since some file systems compress files.
func fill(f vfs.File, from, to int64) error {
	noise := make([]byte, min(1<<20, to-from))
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	for from < to {
		n := min(int64(len(noise)), to-from)
		if err := vfs.WriteAll(f, noise[:n], from); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// lend removes the reserve, so that its room can be used. It returns false if none exists.
func (r *reserve) lend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lent.Load() || r.size == 0 || r.dir.held() != nil {
		return false
	}
	r.lent.Store(true) // before the room is free
	err := r.dir.fs.Remove(r.dir.join(reserveName))
	r.dir.log.Info("there is no room: the reserve is used", zap.String("path", r.dir.path), zap.Int64("bytes", r.size), zap.Error(err))
	r.size = 0
	return true
}

// end ends the use of the reserve's room.
func (r *reserve) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent.Store(false)
	r.again = time.Time{}
}

// bytes returns the size of the reserve.
func (r *reserve) bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.size
}

// withReserve calls do, and calls it again with the room of the reserve if there is no other room. restoreReserve must
// follow.
func (l *Log) withReserve(do func() error) error {
	err := l.failIf(do())
	if errors.Is(err, backend.ErrFull) && l.dir.reserve.lend() {
		err = l.failIf(do())
	}
	return err
}

// restoreReserve makes the reserve again, or enlarges it.
func (l *Log) restoreReserve() {
	l.dir.reserve.end()
	l.keepReserve()
}

// keepReserve makes the reserve large enough for the largest segment.
func (l *Log) keepReserve() {
	s := l.state.Load()
	size := s.active.ahead.Load()
	for _, s := range s.sealed {
		if !s.Snapshot {
			size = max(size, s.Size)
		}
	}
	l.dir.reserve.keep(size)
}
