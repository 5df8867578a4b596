// SPDX-License-Identifier: Apache-2.0

package vfstest

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"syscall"
	"time"
)

// An inode is a directory if it has entries, and a file otherwise.
type inode struct {
	id             uint64
	entries        map[string]*inode
	durableEntries map[string]*inode

	data    []byte
	durable []byte   // without changes
	changes []change // in order, from the first one that is not durable
	failed  failure  // the latest one
}

// A change is a change of a file's content: a write, or a truncation to size off.
type change struct {
	truncate bool
	off      int64
	data     []byte

	synced bool // durable, but after a change that is not
	lost   bool // a Sync of it failed, and no later one makes it durable
	asked  bool // one LateSync has seen it
}

// A failure is a sync that failed. Each file that was open then reports it once, as on Linux.
type failure struct {
	err error
	n   int // counts the failures of an inode, from 1
}

func (c change) apply(data []byte) []byte {
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

// used returns the number of bytes of the files below a directory.
func (n *inode) used() int64 {
	total := int64(len(n.data))
	for _, child := range n.entries {
		total += child.used()
	}
	return total
}

// room returns the size to which a file may grow.
func (d *Disk) room(n *inode) int64 {
	if d.Capacity == 0 {
		return math.MaxInt64
	}
	return int64(len(n.data)) + max(0, d.Capacity-d.root.used())
}

func (n *inode) change(c change) {
	n.data = c.apply(n.data)
	n.changes = append(n.changes, c)
}

// sync makes changes durable, except the lost ones. A late sync makes durable only the changes that a sync before it saw.
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

// failSync behaves as Linux does when a sync fails: the changes stay readable, but count as clean.
func (n *inode) failSync(err error) {
	for i := range n.changes {
		n.changes[i].lost = !n.changes[i].synced
	}
	n.failed = failure{err, n.failed.n + 1}
}

func (n *inode) info(name string) info {
	return info{name: name, size: int64(len(n.data)), dir: n.entries != nil}
}

type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// A diskFile is an open file.
type diskFile struct {
	d        *Disk
	node     *inode
	name     string
	writable bool
	closed   bool
	failures int // the number of the inode's failures that it has reported, or that happened before it was opened
}

// run runs an operation on the open file.
func (h *diskFile) run(o op) error {
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
	err = h.run(op{name: "read", read: true, do: func() error {
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
		h.node.change(change{off: off, data: slices.Clone(p[:n])})
		if n < limit {
			return syscall.ENOSPC
		}
		return nil
	}
	err = h.run(op{
		name: "write", args: fmt.Sprintf("%d+%d", off, len(p)),
		do:     func() error { return write(len(p)) },
		failed: func(f *Fault) { _ = write(min(f.N, len(p))) },
		torn:   func() { _ = write(h.d.tornAt(off, p)) },
	})
	return n, err
}

func (h *diskFile) Size() (size int64, err error) {
	err = h.run(op{name: "size", read: true, do: func() error {
		size = int64(len(h.node.data))
		return nil
	}})
	return size, err
}

// Truncate may also make a file longer, which takes room.
func (h *diskFile) Truncate(size int64) error {
	return h.run(op{name: "truncate", args: fmt.Sprint(size), do: func() error {
		switch {
		case !h.writable:
			return fs.ErrPermission
		case size < 0:
			return fs.ErrInvalid
		case size > h.d.room(h.node):
			return syscall.ENOSPC
		}
		h.node.change(change{truncate: true, off: size})
		return nil
	}})
}

func (h *diskFile) Sync() error { return h.sync(false) }

// sync makes earlier changes durable; if late, only changes from before the previous call.
func (h *diskFile) sync(late bool) error {
	return h.run(op{
		name: "sync",
		do: func() error {
			h.node.sync(late)
			if h.failures < h.node.failed.n {
				h.failures = h.node.failed.n
				return h.node.failed.err
			}
			return nil
		},
		failed: func(f *Fault) {
			h.node.failSync(f.error())
			h.failures = h.node.failed.n
		},
	})
}

func (h *diskFile) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	switch {
	case h.d.dead:
		return ErrCrashed
	case h.closed:
		return &fs.PathError{Op: "close", Path: h.name, Err: fs.ErrClosed}
	}
	h.closed = true
	return nil
}
