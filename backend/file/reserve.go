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

// A reserve is a file that only takes room, so that a full disk can be emptied: Prune and WriteSnapshot write files before
// they remove others, and give the reserve away if there is no other room. Writers get ErrFull meanwhile.
type reserve struct {
	dir  *directory
	unit int64 // its size is a multiple of this; 0: there is to be none

	mu    sync.Mutex
	size  int64       // of the file
	again time.Time   // when to try again to make it larger, after that failed
	lent  atomic.Bool // it is given away
}

// reserveUnit is the unit of the reserve of a log with larger segments than that: what a new segment and an index take, and
// how far the reserve may stay behind the largest segment.
const reserveUnit = 64 << 10

// keep makes the reserve large enough to write a file again that has some bytes. It does not matter if that fails, or what a
// crash leaves of it.
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
			} else { // leave room to the facts
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

// fill writes bytes that do not compress, since some file systems do that.
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

// lend gives the room of the reserve away. It reports false if there is none.
func (r *reserve) lend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lent.Load() || r.size == 0 || r.dir.held() != nil {
		return false
	}
	r.lent.Store(true) // before others may use the room
	err := r.dir.fs.Remove(r.dir.join(reserveName))
	r.dir.log.Info("there is no room: the reserve is used", zap.String("path", r.dir.path), zap.Int64("bytes", r.size), zap.Error(err))
	r.size = 0
	return true
}

// end ends that the room is given away.
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

// withReserve does something again with the room of the reserve, if there is no other. restoreReserve ends that.
func (l *Log) withReserve(do func() error) error {
	err := l.failIf(do())
	if errors.Is(err, backend.ErrFull) && l.dir.reserve.lend() {
		err = l.failIf(do())
	}
	return err
}

// restoreReserve makes the reserve again, or larger.
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
