package file

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errCrashed is what a disk answers after its crash, and so do the files opened from it.
var errCrashed = errors.New("the disk has crashed")

const diskSector = 512

// A disk is a file system in memory which knows what would survive a power cut: file contents as of
// their last Sync, names as of their directory's last SyncDir, and perhaps some of what came after.
// All names start from the root: "." and "/" are the same directory.
//
// Operations that change or sync something are steps: they are counted from 1, recorded in log, and
// can be made to fail. The fields below may be set before the disk is used, later only by with.
type disk struct {
	crashAt   int    // the step at which the disk crashes by itself, 0: none; a write happens in part
	crashSeed uint64 // decides on that part
	capacity  int64  // how many bytes all files that have a name may take, 0: any number

	fault     faultHook // asked about each step
	readFault faultHook // asked about all else but Close, with n = 0

	mu    sync.Mutex
	log   []string // for each step what it is, such as "write /log/1.wal 0+512"
	dead  bool
	root  *inode
	nodes uint64       // how many inodes there have been
	names [][]renaming // in order, not yet durable; those in one list survive together or not at all
	locks map[string]bool
}

// An inode is a directory if it has entries, else a file.
type inode struct {
	id             uint64
	entries        map[string]*inode
	durableEntries map[string]*inode

	data    []byte
	durable []byte       // without any of changes
	changes []diskChange // in order, from the first which is not durable
}

// A diskChange is a change to a file's content: a write, or a cut or extension to size off.
type diskChange struct {
	truncate bool
	off      int64
	data     []byte

	synced bool // durable, but after one which is not
	lost   bool // by a failed Sync: no later one makes it durable
	asked  bool // a late Sync was asked for it
}

func (c diskChange) apply(data []byte) []byte {
	switch end := int(c.off) + len(c.data); {
	case c.truncate && end <= len(data):
		return data[:end]
	case !c.truncate && len(c.data) == 0:
		return data
	case end > len(data):
		data = append(data, make([]byte, end-len(data))...)
	}
	copy(data[c.off:], c.data)
	return data
}

// A renaming gives a name in a directory to an inode, or to none.
type renaming struct {
	dir  *inode
	name string
	node *inode
}

func (r renaming) apply(entries map[string]*inode) {
	if r.node == nil {
		delete(entries, r.name)
	} else {
		entries[r.name] = r.node
	}
}

// of is the name that is given, whatever to.
func (r renaming) of() renaming { return renaming{dir: r.dir, name: r.name} }

func newDisk() *disk {
	d := &disk{locks: map[string]bool{}}
	d.root = d.newDir()
	return d
}

func (d *disk) newFile() *inode {
	d.nodes++
	return &inode{id: d.nodes}
}

func (d *disk) newDir() *inode {
	dir := d.newFile()
	dir.entries, dir.durableEntries = map[string]*inode{}, map[string]*inode{}
	return dir
}

// with runs f with the disk locked, to set or read fields while others use the disk.
func (d *disk) with(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func diskPath(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

// find returns what has a name.
func (d *disk) find(name string) (*inode, error) {
	node := d.root
	for part := range strings.FieldsFuncSeq(diskPath(name), func(r rune) bool { return r == '/' }) {
		if node.entries == nil {
			return nil, syscall.ENOTDIR
		}
		if node = node.entries[part]; node == nil {
			return nil, fs.ErrNotExist
		}
	}
	return node, nil
}

func (d *disk) findDir(name string) (*inode, error) {
	node, err := d.find(name)
	if err == nil && node.entries == nil {
		return nil, syscall.ENOTDIR
	}
	return node, err
}

// slot returns the directory that a name is in, with the name's present inode if it has one.
func (d *disk) slot(name string) (renaming, error) {
	dir, base := path.Split(diskPath(name))
	if base == "" {
		return renaming{}, fs.ErrExist // the root
	}
	parent, err := d.findDir(dir)
	if err != nil {
		return renaming{}, err
	}
	return renaming{parent, base, parent.entries[base]}, nil
}

// rename makes changes of names that survive a power cut all or none.
func (d *disk) rename(all ...renaming) {
	for _, r := range all {
		r.apply(r.dir.entries)
	}
	d.names = append(d.names, all)
}

func (d *disk) Mkdir(name string) error {
	return d.run(diskOp{name: "mkdir", file: name, do: func() error {
		s, err := d.slot(name)
		if err != nil || s.node != nil {
			return cmp.Or(err, fs.ErrExist)
		}
		s.node = d.newDir()
		d.rename(s)
		return nil
	}})
}

// Rename renames files only.
func (d *disk) Rename(from, to string) error {
	return d.run(diskOp{name: "rename", file: from, args: diskPath(to), do: func() error {
		old, err := d.slot(from)
		if err != nil || old.node == nil {
			return cmp.Or(err, fs.ErrNotExist)
		}
		target, err := d.slot(to)
		switch {
		case err != nil:
			return err
		case old.node.entries != nil, target.node != nil && target.node.entries != nil:
			return syscall.EISDIR
		case target.node != old.node:
			d.rename(old.of(), renaming{target.dir, target.name, old.node})
		}
		return nil
	}})
}

func (d *disk) Remove(name string) error {
	return d.run(diskOp{name: "remove", file: name, do: func() error {
		s, err := d.slot(name)
		switch {
		case err != nil:
			return err
		case s.node == nil:
			return fs.ErrNotExist
		case len(s.node.entries) > 0:
			return syscall.ENOTEMPTY
		}
		d.rename(s.of())
		return nil
	}})
}

// SyncDir makes durable the directory's changes, and those which they build on: earlier ones of the
// same names, in another directory if a file was moved between the two. One that fails leaves
// things as they were.
func (d *disk) SyncDir(name string) error {
	return d.run(diskOp{name: "syncdir", file: name, do: func() error {
		dir, err := d.findDir(name)
		if err != nil {
			return err
		}
		durable := make([]bool, len(d.names))
		needed := map[renaming]bool{}
		for i, all := range slices.Backward(d.names) {
			durable[i] = slices.ContainsFunc(all, func(r renaming) bool { return r.dir == dir || needed[r.of()] })
			for _, r := range all {
				needed[r.of()] = needed[r.of()] || durable[i]
			}
		}
		var rest [][]renaming
		for i, all := range d.names {
			if !durable[i] {
				rest = append(rest, all)
				continue
			}
			for _, r := range all {
				r.apply(r.dir.durableEntries)
			}
		}
		d.names = rest
		return nil
	}})
}

func (d *disk) Stat(name string) (i fs.FileInfo, err error) {
	err = d.run(diskOp{name: "stat", file: name, read: true, do: func() error {
		node, err := d.find(name)
		if err == nil {
			i = node.info(path.Base(diskPath(name)))
		}
		return err
	}})
	return i, err
}

func (d *disk) ReadDir(name string) (all []fs.DirEntry, err error) {
	err = d.run(diskOp{name: "readdir", file: name, read: true, do: func() error {
		dir, err := d.findDir(name)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(dir.entries)) {
			all = append(all, fs.FileInfoToDirEntry(dir.entries[name].info(name)))
		}
		return nil
	}})
	return all, err
}

func (d *disk) Open(name string) (file, error) { return d.open("open", name) }
func (d *disk) Edit(name string) (file, error) { return d.open("edit", name) }

// Create changes no name if there is such a file: it is cut to nothing.
func (d *disk) Create(name string) (file, error) { return d.open("create", name) }

func (d *disk) open(how, name string) (file, error) {
	h := &diskFile{d: d, name: name, writable: how != "open"}
	err := d.run(diskOp{name: how, file: name, read: how != "create", do: func() error {
		s, err := d.slot(name)
		switch {
		case err != nil:
			return err
		case s.node == nil && how != "create":
			return fs.ErrNotExist
		case s.node == nil:
			s.node = d.newFile()
			d.rename(s)
		case s.node.entries != nil:
			return syscall.EISDIR
		case how == "create":
			s.node.change(diskChange{truncate: true})
		}
		h.node = s.node
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Lock does not count as a step, though it may make a file.
func (d *disk) Lock(name string) (io.Closer, error) {
	err := d.run(diskOp{name: "lock", file: name, read: true, do: func() error {
		s, err := d.slot(name)
		switch {
		case err != nil:
			return err
		case d.locks[diskPath(name)]:
			return &InUseError{Path: name, PID: os.Getpid()}
		case s.node == nil:
			s.node = d.newFile()
			d.rename(s)
		}
		d.locks[diskPath(name)] = true
		return nil
	}})
	if inUse, ok := errors.AsType[*InUseError](err); ok {
		return nil, inUse
	}
	if err != nil {
		return nil, err
	}
	return &diskLock{d: d, name: name}, nil
}

type diskLock struct {
	d      *disk
	name   string
	closed bool
}

func (l *diskLock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	switch {
	case l.d.dead:
		return errCrashed
	case l.closed:
		return fs.ErrClosed
	}
	l.closed = true
	delete(l.d.locks, diskPath(l.name))
	return nil
}

// used is how many bytes the files below a directory take.
func (n *inode) used() int64 {
	total := int64(len(n.data))
	for _, child := range n.entries {
		total += child.used()
	}
	return total
}

// room is how long a file may become.
func (d *disk) room(n *inode) int64 {
	if d.capacity == 0 {
		return math.MaxInt64
	}
	return int64(len(n.data)) + max(0, d.capacity-d.root.used())
}

func (n *inode) change(c diskChange) {
	n.data = c.apply(n.data)
	n.changes = append(n.changes, c)
}

// sync makes changes durable: those not lost, and a late one only those it was asked for before.
func (n *inode) sync(late bool) {
	for i := range n.changes {
		c := &n.changes[i]
		c.synced = c.synced || !c.lost && (c.asked || !late)
		c.asked = true
	}
	for len(n.changes) > 0 && n.changes[0].synced {
		n.durable = n.changes[0].apply(n.durable)
		n.changes = n.changes[1:]
	}
}

// failSync is what Linux does when a sync fails: the changes stay readable, but count as clean.
func (n *inode) failSync() {
	for i := range n.changes {
		n.changes[i].lost = !n.changes[i].synced
	}
}

func (n *inode) info(name string) diskInfo {
	return diskInfo{name: name, size: int64(len(n.data)), dir: n.entries != nil}
}

type diskInfo struct {
	name string
	size int64
	dir  bool
}

func (i diskInfo) Name() string       { return i.name }
func (i diskInfo) Size() int64        { return i.size }
func (i diskInfo) ModTime() time.Time { return time.Time{} }
func (i diskInfo) IsDir() bool        { return i.dir }
func (i diskInfo) Sys() any           { return nil }
func (i diskInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// A diskFile is an open file.
type diskFile struct {
	d        *disk
	node     *inode
	name     string
	writable bool
	closed   bool
}

// run runs an operation that needs the file open.
func (h *diskFile) run(o diskOp) error {
	o.file = h.name
	do := o.do
	o.do = func() error {
		if h.closed {
			return fs.ErrClosed
		}
		return do()
	}
	return h.d.run(o)
}

func (h *diskFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = h.run(diskOp{name: "read", read: true, do: func() error {
		if off < 0 {
			return fs.ErrInvalid
		}
		n = copy(p, h.node.data[min(off, int64(len(h.node.data))):])
		return nil
	}})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (h *diskFile) WriteAt(p []byte, off int64) (n int, err error) {
	write := func(limit int) error {
		switch {
		case h.closed:
			return fs.ErrClosed
		case !h.writable:
			return fs.ErrPermission
		case off < 0:
			return fs.ErrInvalid
		}
		n = int(min(int64(limit), max(0, h.d.room(h.node)-off)))
		h.node.change(diskChange{off: off, data: slices.Clone(p[:n])})
		if n < limit {
			return syscall.ENOSPC
		}
		return nil
	}
	err = h.run(diskOp{
		name: "write", args: fmt.Sprintf("%d+%d", off, len(p)),
		do:     func() error { return write(len(p)) },
		failed: func(f *fault) { _ = write(min(f.n, len(p))) },
		torn:   func() { _ = write(h.d.tornAt(off, p)) },
	})
	return n, err
}

func (h *diskFile) Size() (size int64, err error) {
	err = h.run(diskOp{name: "size", read: true, do: func() error {
		size = int64(len(h.node.data))
		return nil
	}})
	return size, err
}

// Truncate takes room when it makes a file longer.
func (h *diskFile) Truncate(size int64) error {
	return h.run(diskOp{name: "truncate", args: fmt.Sprint(size), do: func() error {
		switch {
		case !h.writable:
			return fs.ErrPermission
		case size < 0:
			return fs.ErrInvalid
		case size > h.d.room(h.node):
			return syscall.ENOSPC
		}
		h.node.change(diskChange{truncate: true, off: size})
		return nil
	}})
}

func (h *diskFile) Sync() error { return h.sync(false) }

// sync makes durable what was changed before; if late, before the last time it was called.
func (h *diskFile) sync(late bool) error {
	return h.run(diskOp{
		name:   "sync",
		do:     func() error { h.node.sync(late); return nil },
		failed: func(*fault) { h.node.failSync() },
	})
}

func (h *diskFile) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	switch {
	case h.d.dead:
		return errCrashed
	case h.closed:
		return &fs.PathError{Op: "close", Path: h.name, Err: fs.ErrClosed}
	}
	h.closed = true
	return nil
}
