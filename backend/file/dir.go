// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A directory is the directory of a log, and the files in it. Log, Verify and Restore work on one.
type directory struct {
	path string
	fs   vfs.FS
	now  func() time.Time
	must bool   // the directory must already have a log
	boot string // the ID of the machine's latest start; "": not known
	log  *zap.Logger
	lock vfs.Lock // nil: it is not locked

	reserve reserve
	mark    *mirrorMark // nil: the log is no mirror

	// id is the log's identity, for new files. It changes only while the log is opened, restored or promoted.
	id format.Identity

	// names is held for reading while a file is chosen from the log's state and opened, and for writing while a file is
	// renamed and the state is changed to match.
	names sync.RWMutex

	// With closeFiles, readers close their files at the end of each page: Windows may refuse to rename a file to the name
	// of an open one. A reader holds reading for reading while its files are open; a rename holds it for writing.
	closeFiles bool
	reading    sync.RWMutex

	unsynced sync.Once // for the warning that the file system does not sync directories
}

// sync makes the names in a directory durable. Some file systems (CIFS, some of FUSE) refuse that. Then a power cut can
// undo changes of names; sync logs a warning once.
func (d *directory) sync(path string) error {
	err := d.fs.SyncDir(path)
	if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	d.unsynced.Do(func() {
		d.log.Warn("the file system cannot sync directories: a crash of the machine can lose whole files of the log; keep the log on a local disk",
			zap.String("path", path), zap.Error(err))
	})
	return nil
}

// checkExists returns an error if the directory must have a log but has none.
func (d *directory) checkExists() error {
	if !d.must {
		return nil
	}
	found, err := d.list()
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(found.segments)+len(found.snapshots) == 0 {
		return &backend.InvalidError{Field: "path", Reason: d.path + " holds no log, and the options say that it must exist: look whether the path is right and its file system mounted"}
	}
	return err
}

func newDirectory(o *Options) *directory {
	d := &directory{path: filepath.Clean(o.Path), fs: vfs.Patient(o.fs), now: o.Now, must: o.MustExist, boot: o.boot(), log: o.Logger, closeFiles: o.closeFiles || runtime.GOOS == "windows"}
	d.reserve.dir = d
	if _, plan := o.fs.(*vfs.Overlay); !plan {
		d.reserve.unit = min(reserveUnit, o.SegmentSize)
	}
	return d
}

// Names in the directory of a log. Numbers have 20 digits, so that names sort like numbers.
const (
	lockName       = "LOCK"
	reserveName    = "RESERVE"
	probeName      = lockName + tempExt // created and removed, to check that files can be created
	quarantineName = "quarantine"
	segmentExt     = ".wal"
	snapshotExt    = ".snap"
	indexExt       = ".idx" // after the whole name of the file that it describes
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
	return n, err == nil && n > 0 && n <= format.MaxSeq
}

// join returns the path of a file in the directory.
func (d *directory) join(name string) string { return filepath.Join(d.path, name) }

// A listing has the files in the directory of a log.
type listing struct {
	segments  []uint64 // the numbers in their names, in order
	snapshots []uint64
	indexes   []string // names
	leftovers []string // names of files that were never finished
	foreign   string   // the last name that is not a log's; "": none
}

// list lists the directory. In the directory of a log, it passes over names that are not a log's. Such a name is an error
// if it looks like the name of a log's file, or if the directory holds no log.
func (d *directory) list() (listing, error) {
	var all listing
	entries, err := d.fs.ReadDir(d.path)
	if err != nil {
		return all, err
	}
	named := ""
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockName, name == reserveName, name == mirrorName, e.IsDir() && name == quarantineName, isSystemName(name):
		case !e.IsDir() && all.add(name):
		case isLogName(name):
			named = name
		default:
			all.foreign = name
		}
	}
	name := named
	if len(all.segments)+len(all.snapshots) == 0 { // backups have a LOCK too
		name = cmp.Or(named, all.foreign)
	}
	if name != "" {
		return all, &backend.InvalidError{Field: "path", Reason: fmt.Sprintf(
			"%s holds %q, which is not a file of a log: give the log a directory of its own, or move that file away", d.path, name)}
	}
	return all, nil
}

// isLogName reports whether a name could be taken for one of a log's files.
func isLogName(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, tempExt), indexExt)
	return strings.HasSuffix(name, segmentExt) || strings.HasSuffix(name, snapshotExt)
}

// isSystemName reports whether file systems or operating systems leave files of this name in directories.
func isSystemName(name string) bool {
	return slices.Contains([]string{"lost+found", ".snapshot", "@eaDir", ".DS_Store"}, name) || strings.HasPrefix(name, ".nfs")
}

// add adds a file, and reports false if a log does not have such files.
func (all *listing) add(name string) bool {
	of, temp := strings.CutSuffix(name, tempExt)
	of, index := strings.CutSuffix(of, indexExt)
	segment, isSegment := parseName(of, segmentExt)
	snapshot, isSnapshot := parseName(of, snapshotExt)
	switch {
	case name == probeName, name == mirrorName+tempExt:
		all.leftovers = append(all.leftovers, name)
	case !isSegment && !isSnapshot:
		return false
	case temp:
		all.leftovers = append(all.leftovers, name)
	case index:
		all.indexes = append(all.indexes, name)
	case isSegment:
		all.segments = append(all.segments, segment)
	default:
		all.snapshots = append(all.snapshots, snapshot)
	}
	return true
}

// An InUseError reports that another process, or another Log of this one, has the log open.
type InUseError struct {
	Path  string // of the lock
	PID   int    // the process that holds it; 0 if unknown
	Where string // the other machine or container of that process, whose PID has no meaning here; "": here, or not known
	Reads bool   // it only reads the log: it verifies it, or plans a repair
}

func (e *InUseError) Error() string {
	holder := "another process"
	switch {
	case e.Reads:
		holder += " that verifies it, or plans a repair"
	case e.Where != "":
		holder = fmt.Sprintf("process %d of %s", e.PID, e.Where)
	case e.PID == os.Getpid():
		holder = fmt.Sprintf("process %d (this one)", e.PID)
	case e.PID != 0:
		holder = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("%s is locked by %s: a log is open in one place at a time; close it there, or share it through a server", e.Path, holder)
}

// locked locks the directory with one of the methods of d.fs.
func (d *directory) locked(lock func(name string) (vfs.Lock, error)) (vfs.Lock, error) {
	held, err := lock(d.join(lockName))
	if l, ok := errors.AsType[*vfs.LockedError](err); ok {
		return nil, &InUseError{l.Path, l.PID, l.Elsewhere(), l.Shared}
	}
	return held, err
}

// held returns an error if another process may hold the directory, or if another directory has taken its place. Then no
// file may be created, renamed or removed by its name.
func (d *directory) held() error {
	if err := d.lock.Held(); err != nil {
		return fmt.Errorf("the directory of the log was removed or replaced, or its lock file was: %w", err)
	}
	return nil
}

// makeDir creates the directory of a log if it is missing, durably. An existing directory may have been
// created by a process that crashed before its name was durable.
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
			return nil // a process that may not open the parent did not create dir; some file systems do not sync directories
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

// notDirectory returns the error for a path that is a file. The file may be a log of the Ruby system.
func notDirectory(fsys vfs.FS, path string) error {
	reason := fmt.Sprintf("%s is a file, and a log is a directory of its own", path)
	if isRubyLog(fsys, path) {
		reason = fmt.Sprintf("%s is a log of the Ruby system: open a new directory and import it there (igniter import --ruby-wal)", path)
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
	body, err := wire.NewReader(io.NewSectionReader(f, 0, 1<<62), wire.MaxMaxFrame).Next()
	return err == nil && bytes.HasPrefix(body, []byte("{"))
}

// probe returns an error if no files can be created in the directory. Without probe, that would show only when a segment is
// full.
//
//	open(LOCK.tmp, O_CREAT), unlink(LOCK.tmp)
func (d *directory) probe() error {
	f, err := d.fs.Create(d.join(probeName))
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), d.fs.Remove(d.join(probeName)))
}
