package file

import (
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

type faultKind int

// A Sync that is not done is as on Linux: the changes that it was to make durable stay readable, and
// no later Sync makes them durable.
const (
	faultNotDone faultKind = iota // nothing happens
	faultDone                     // it happens, and is an error all the same
	faultShort                    // of a write n bytes happen, of all else nothing
)

// A fault is how an operation fails.
type fault struct {
	kind faultKind
	n    int
	err  error // nil: syscall.ENOSPC if short, else syscall.EIO
}

func (f *fault) error() error {
	switch {
	case f.err != nil:
		return f.err
	case f.kind == faultShort:
		return syscall.ENOSPC
	}
	return syscall.EIO
}

// A faultHook is asked for the fault that an operation is to have, nil for none; n is the step's
// number. It is called with the disk unlocked, so it may block or use the disk, and must be safe for
// concurrent use if the disk is used so.
type faultHook func(op, name string, n int) *fault

func (h faultHook) ask(op, name string, n int) func() *fault {
	return func() *fault {
		if h == nil {
			return nil
		}
		return h(op, name, n)
	}
}

// faultsAt gives steps their faults by number.
func faultsAt(faults map[int]*fault) faultHook {
	return func(_, _ string, n int) *fault { return faults[n] }
}

// A diskOp is a step, or a read, which does not count.
type diskOp struct {
	name, file, args string
	read             bool

	do     func() error
	failed func(*fault) // what a fault leaves behind that keeps it from being done, if anything
	torn   func()       // the part of it that happens in a crash, if any
}

func (d *disk) run(o diskOp) error {
	ask, err := d.begin(o)
	if err != nil {
		return err
	}
	f := ask()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.dead:
		return errCrashed
	case f == nil:
		return o.wrap(o.do())
	case f.kind == faultDone:
		if err := o.do(); err != nil {
			return o.wrap(err)
		}
	case o.failed != nil:
		o.failed(f)
	}
	return o.wrap(f.error())
}

func (o diskOp) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: o.name, Path: o.file, Err: err}
}

// begin counts and records a step; if it is the one to crash at, it is the last. What it returns
// asks for a fault, with the disk unlocked.
func (d *disk) begin(o diskOp) (func() *fault, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	file := diskPath(o.file)
	switch {
	case d.dead:
		return nil, errCrashed
	case o.read:
		return d.readFault.ask(o.name, file, 0), nil
	}
	d.log = append(d.log, strings.TrimSpace(o.name+" "+file+" "+o.args))
	if len(d.log) == d.crashAt {
		if o.torn != nil {
			o.torn()
		}
		d.dead = true
		return nil, errCrashed
	}
	return d.fault.ask(o.name, file, len(d.log)), nil
}

// diskSectors splits a write where sectors end.
func diskSectors(off int64, p []byte) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for len(p) > 0 {
			n := min(len(p), diskSector-int(off%diskSector))
			if !yield(off, p[:n]) {
				return
			}
			off, p = off+int64(n), p[n:]
		}
	}
}

// tornAt is how much of a write happens when the disk crashes at it: none, some sectors or all.
func (d *disk) tornAt(off int64, p []byte) int {
	ends := []int{0}
	for _, sector := range diskSectors(off, p) {
		ends = append(ends, ends[len(ends)-1]+len(sector))
	}
	return ends[rand.New(rand.NewPCG(d.crashSeed, uint64(d.crashAt))).IntN(len(ends))]
}

type crashMode int

const (
	powerCut    crashMode = iota // what was not synced may be lost, in part and out of order
	processKill                  // nothing is lost; what was not synced still can be later
)

// crash ends a disk and returns the one that is found afterwards. It can be crashed again, to see
// what else could have been found.
func (d *disk) crash(seed uint64, mode crashMode) *disk {
	d.with(func() { d.dead = true })
	return d.image(seed, mode)
}

// image returns the disk that would be found after a crash now, without locks and faults. The seed
// decides what survives a power cut of that which was not synced: with 0 nothing, with 1 all, else
// anything that may.
//
// Of a file's changes any may survive, of a write any sectors; where one does not, there may be
// garbage instead. Of names any changes may survive, but none without those of the same name before
// it; a name is never lost between what it was and what it became.
func (d *disk) image(seed uint64, mode crashMode) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := copier{}
	after := newDisk()
	after.capacity, after.root, after.nodes = d.capacity, c.inode(d.root), d.nodes
	for _, all := range d.names {
		after.names = append(after.names, c.renamings(all))
	}
	if mode == powerCut {
		after.loseNames(seed)
		after.root.lose(seed)
	}
	return after
}

// A copier copies inodes, each once.
type copier map[*inode]*inode

func (c copier) inode(n *inode) *inode {
	if n == nil || c[n] != nil {
		return c[n]
	}
	to := &inode{id: n.id, data: slices.Clone(n.data), durable: slices.Clone(n.durable), changes: slices.Clone(n.changes)}
	c[n] = to
	to.entries, to.durableEntries = c.entries(n.entries), c.entries(n.durableEntries)
	return to
}

func (c copier) entries(all map[string]*inode) map[string]*inode {
	all = maps.Clone(all)
	for name, n := range all {
		all[name] = c.inode(n)
	}
	return all
}

func (c copier) renamings(all []renaming) []renaming {
	all = slices.Clone(all)
	for i, r := range all {
		all[i] = renaming{c.inode(r.dir), r.name, c.inode(r.node)}
	}
	return all
}

// luck decides for one inode, or all names, what survives.
type luck struct {
	*rand.Rand
	seed   uint64
	chance float64
}

func newLuck(seed, id uint64) luck {
	r := rand.New(rand.NewPCG(seed, id))
	return luck{r, seed, float64(r.IntN(5)) / 4}
}

func (l luck) keeps() bool { return l.seed == 1 || l.seed > 1 && l.Float64() < l.chance }

// garbage is what is found of something lost: mostly nothing, at times zeros or anything.
func (l luck) garbage(size int) []byte {
	if l.seed < 2 || l.IntN(16) > 0 {
		return nil
	}
	p := make([]byte, size)
	if l.IntN(2) == 0 {
		for i := range p {
			p[i] = byte(l.Uint32())
		}
	}
	return p
}

func (d *disk) loseNames(seed uint64) {
	l := newLuck(seed, 0)
	lost := map[renaming]bool{}
	for _, all := range d.names {
		survives := l.keeps() && !slices.ContainsFunc(all, func(r renaming) bool { return lost[r.of()] })
		for _, r := range all {
			if survives {
				r.apply(r.dir.durableEntries)
			} else {
				lost[r.of()] = true
			}
		}
	}
	d.names = nil
}

// lose leaves of an inode, and all below it, what survives.
func (n *inode) lose(seed uint64) {
	n.entries = maps.Clone(n.durableEntries)
	for _, child := range n.entries {
		child.lose(seed)
	}
	l := newLuck(seed, n.id)
	for _, c := range n.changes {
		if c.synced || c.truncate {
			if c.synced || l.keeps() {
				n.durable = c.apply(n.durable)
			}
			continue
		}
		for off, sector := range diskSectors(c.off, c.data) {
			if !l.keeps() {
				sector = l.garbage(len(sector))
			}
			n.durable = diskChange{off: off, data: sector}.apply(n.durable)
		}
	}
	n.data, n.changes = slices.Clone(n.durable), nil
}

// A bug is a file system that breaks a promise: one of the funcs, if set, stands in for a method.
type bug struct {
	fileSystem
	sync     func(name string, f file) error
	truncate func(name string, f file, size int64) error
	skips    func(last string) bool // whether SyncDir does nothing, by what was last done to the directory

	mu   sync.Mutex
	last map[string]string // by directory: mkdir, create, rename, remove, or install for a renamed .tmp
}

type buggyFile struct {
	file
	b    *bug
	name string
}

func (f buggyFile) Sync() error {
	if f.b.sync == nil {
		return f.file.Sync()
	}
	return f.b.sync(f.name, f.file)
}

func (f buggyFile) Truncate(size int64) error {
	if f.b.truncate == nil {
		return f.file.Truncate(size)
	}
	return f.b.truncate(f.name, f.file, size)
}

func (b *bug) open(name string, f file, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return buggyFile{f, b, name}, nil
}

// did notes what was done to a directory.
func (b *bug) did(op, name string, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = map[string]string{}
	}
	if err == nil {
		b.last[path.Dir(diskPath(name))] = op
	}
	return err
}

func (b *bug) Open(name string) (file, error) {
	f, err := b.fileSystem.Open(name)
	return b.open(name, f, err)
}

func (b *bug) Edit(name string) (file, error) {
	f, err := b.fileSystem.Edit(name)
	return b.open(name, f, err)
}

func (b *bug) Create(name string) (file, error) {
	f, err := b.fileSystem.Create(name)
	return b.open(name, f, b.did("create", name, err))
}

func (b *bug) Mkdir(name string) error { return b.did("mkdir", name, b.fileSystem.Mkdir(name)) }

func (b *bug) Remove(name string) error { return b.did("remove", name, b.fileSystem.Remove(name)) }

func (b *bug) Rename(from, to string) error {
	op := "rename"
	if strings.HasSuffix(from, ".tmp") {
		op = "install"
	}
	return b.did(op, to, b.fileSystem.Rename(from, to))
}

func (b *bug) SyncDir(name string) error {
	b.mu.Lock()
	skip := b.skips != nil && b.skips(b.last[diskPath(name)])
	b.mu.Unlock()
	if skip {
		return nil
	}
	return b.fileSystem.SyncDir(name)
}

// noSync breaks: what was acknowledged survives a power cut.
func noSync(under fileSystem) fileSystem {
	return &bug{fileSystem: under, sync: func(string, file) error { return nil }}
}

// noDirSyncAfterCreate breaks: a file that holds acknowledged facts still has its name after a
// power cut.
func noDirSyncAfterCreate(under fileSystem) fileSystem {
	return &bug{fileSystem: under, skips: func(last string) bool { return last == "create" || last == "mkdir" }}
}

// noDirSyncAfterRename breaks: what was put in place under a name is there after a power cut.
func noDirSyncAfterRename(under fileSystem) fileSystem {
	return &bug{fileSystem: under, skips: func(last string) bool { return last == "rename" || last == "install" }}
}

// lateSync breaks: nothing is acknowledged before it is durable. Each Sync makes durable what was
// there at the one before. It needs a disk's own files below it.
func lateSync(under fileSystem) fileSystem {
	return &bug{fileSystem: under, sync: func(_ string, f file) error { return f.(*diskFile).sync(true) }}
}

// noCut breaks: what was cut off a file is gone.
func noCut(under fileSystem) fileSystem {
	return &bug{fileSystem: under, truncate: func(string, file, int64) error { return nil }}
}

// cutNotSynced breaks: what was cut off a file does not come back after a power cut.
func cutNotSynced(under fileSystem) fileSystem {
	var cut sync.Map // by name
	return &bug{fileSystem: under,
		truncate: func(name string, f file, size int64) error {
			cut.Store(name, true)
			return f.Truncate(size)
		},
		sync: func(name string, f file) error {
			if _, skip := cut.LoadAndDelete(name); skip {
				return nil
			}
			return f.Sync()
		},
	}
}

// renameBeforeSync breaks: a file is whole before it takes the name, and so the place, of another.
func renameBeforeSync(under fileSystem) fileSystem {
	return &bug{fileSystem: under,
		skips: func(last string) bool { return last == "install" },
		sync: func(name string, f file) error {
			if strings.HasSuffix(name, ".tmp") {
				return nil
			}
			return f.Sync()
		},
	}
}

// retrySync breaks: what a failed Sync was to make durable is not acknowledged. The next one returns
// nil without having done it.
func retrySync(under fileSystem) fileSystem {
	return &bug{fileSystem: under, sync: func(_ string, f file) error {
		if f.Sync() == nil {
			return nil
		}
		return f.Sync()
	}}
}

// A snapshotBug breaks what holds of snapshots: that one is whole before it takes its name, or has it
// for good before what it was made of is removed.
type snapshotBug struct {
	fileSystem
	sync  bool        // skip the sync of the file, else that of the directory
	named atomic.Bool // a snapshot has just got its name
}

func snapshotNotSynced(under fileSystem) fileSystem {
	return &snapshotBug{fileSystem: under, sync: true}
}

func snapshotNameNotSynced(under fileSystem) fileSystem { return &snapshotBug{fileSystem: under} }

func (b *snapshotBug) Create(name string) (file, error) {
	f, err := b.fileSystem.Create(name)
	if err == nil && b.sync && strings.HasSuffix(name, snapshotExt+tempExt) {
		f = unsyncedFile{f}
	}
	return f, err
}

type unsyncedFile struct{ file }

func (unsyncedFile) Sync() error { return nil }

func (b *snapshotBug) Rename(from, to string) error {
	b.named.Store(strings.HasSuffix(to, snapshotExt))
	return b.fileSystem.Rename(from, to)
}

func (b *snapshotBug) SyncDir(name string) error {
	if !b.sync && b.named.Swap(false) {
		return nil
	}
	return b.fileSystem.SyncDir(name)
}
