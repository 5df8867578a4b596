package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// Names in the directory of a log. Numbers have 20 digits, so that names sort as they do.
const (
	lockName       = "LOCK"
	probeName      = lockName + tempExt // made and removed, to see whether names can be
	quarantineName = "quarantine"
	segmentExt     = ".wal"
	snapshotExt    = ".snap"
	indexExt       = ".idx" // after the whole name of what it is of
	tempExt        = ".tmp" // after the name that a file will have
)

func segmentName(first uint64) string    { return fmt.Sprintf("%020d%s", first, segmentExt) }
func snapshotName(through uint64) string { return fmt.Sprintf("%020d%s", through, snapshotExt) }

// parseName returns the number in the name of a segment or snapshot.
func parseName(name, ext string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, ext)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && n <= maxSeq
}

// maxSeq is the highest seq that a file may begin or end with: no log gets there by counting.
const maxSeq = math.MaxInt64

// A layout is what the directory of a log holds.
type layout struct {
	segments  []uint64 // by name, in order
	snapshots []uint64
	indexes   []string // whole names
	leftovers []string // of files that were never finished
}

// readLayout lists the directory, and refuses one with files that are none of a log's.
func readLayout(fsys vfs.FS, dir string) (layout, error) {
	var all layout
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return all, err
	}
	for _, e := range entries {
		name := e.Name()
		if name == lockName || name == quarantineName && e.IsDir() || name == "lost+found" && e.IsDir() {
			continue
		}
		if !e.IsDir() {
			if name == probeName {
				all.leftovers = append(all.leftovers, name)
				continue
			}
			if n, ok := parseName(name, segmentExt); ok {
				all.segments = append(all.segments, n)
				continue
			}
			if n, ok := parseName(name, snapshotExt); ok {
				all.snapshots = append(all.snapshots, n)
				continue
			}
			if of, ok := strings.CutSuffix(name, indexExt); ok && isPiece(of) {
				all.indexes = append(all.indexes, name)
				continue
			}
			if of, ok := strings.CutSuffix(name, tempExt); ok && (isPiece(of) || isPiece(strings.TrimSuffix(of, indexExt))) {
				all.leftovers = append(all.leftovers, name)
				continue
			}
		}
		return all, &backend.InvalidError{Field: "path", Reason: fmt.Sprintf(
			"%s holds %q, which is no file of a log: give the log a directory of its own, or move that away", dir, name)}
	}
	return all, nil
}

func isPiece(name string) bool {
	_, segment := parseName(name, segmentExt)
	_, snapshot := parseName(name, snapshotExt)
	return segment || snapshot
}

// makeDir makes the directory of a log if it is missing, durably. One that is there may have been
// made by a process that did not live to sync its name.
//
//	mkdir(dir)
//	fsync(parent of dir)
func makeDir(fsys vfs.FS, dir string) error {
	info, err := fsys.Stat(dir)
	parent := filepath.Dir(dir)
	switch {
	case err == nil && info.IsDir():
		err := fsys.SyncDir(parent)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS) {
			return nil // who may not read the parent did not make the directory either; some file systems sync no directory
		}
		return err
	case err == nil:
		return notDirectory(fsys, dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if parent != dir {
		if err := makeDir(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return fsys.SyncDir(parent)
}

// notDirectory says what is wrong with a path that is a file: it may well be a log of the Ruby
// system.
func notDirectory(fsys vfs.FS, path string) error {
	reason := fmt.Sprintf("%s is a file, and a log is a directory of its own", path)
	if isRubyLog(fsys, path) {
		reason = fmt.Sprintf("%s is a log of the Ruby system: open a new directory and import it there (ImportRuby)", path)
	}
	return &backend.InvalidError{Field: "path", Reason: reason}
}

// isRubyLog reports whether a file begins with a frame of a JSON object, as Ruby's logs do.
func isRubyLog(fsys vfs.FS, path string) bool {
	f, err := fsys.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	body, err := wire.NewReader(sectionOf(f, 0, 1<<62), wire.MaxMaxFrame).Next()
	return err == nil && bytes.HasPrefix(body, []byte("{"))
}

// An InUseError reports that another process, or another Log of this one, has the log open.
type InUseError struct {
	Path string // of the lock
	PID  int    // the process that holds it; 0 if unknown
}

func (e *InUseError) Error() string {
	holder := "another process"
	if e.PID != 0 {
		holder = fmt.Sprintf("process %d", e.PID)
		if e.PID == os.Getpid() {
			holder += " (this one)"
		}
	}
	return fmt.Sprintf("%s is locked by %s: a log is open in one place at a time; close it there, or share it through a server", e.Path, holder)
}

// lockDir locks the directory of a log.
func lockDir(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	if l, ok := errors.AsType[*vfs.LockedError](err); ok {
		return nil, &InUseError{l.Path, l.PID}
	}
	return lock, err
}
