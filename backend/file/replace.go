// SPDX-License-Identifier: Apache-2.0

package file

import (
	"errors"
	"fmt"
	"io/fs"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// A newFile is a file that is being written. Once it is durable, it gets its name, and may replace an older file.
type newFile struct {
	dir  *directory
	temp string // its name until then
	name string
	file vfs.File
}

func (d *directory) create(name string) (*newFile, error) {
	if err := d.held(); err != nil {
		return nil, err
	}
	temp := name + tempExt
	f, err := d.fs.Create(d.join(temp))
	if err != nil {
		return nil, err
	}
	return &newFile{d, temp, name, f}, nil
}

// install makes the file durable and gives it its name. swap, if not nil, is called at that moment. If the error is
// ErrFailed, the content of the directory is unknown; after any other error the file is removed.
//
//	fdatasync(NAME.tmp)
//	rename(NAME.tmp, NAME)
//	fsync(directory)
func (n *newFile) install(swap func()) error {
	d := n.dir
	if err := n.file.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync: %w", err), n.remove())
	}
	if err := d.held(); err != nil {
		return err
	}
	done, err := n.rename(swap)
	if errors.Is(err, vfs.ErrInUse) || !done && vfs.Passes(err) {
		return errors.Join(err, n.remove())
	}
	if err == nil {
		err = d.sync(d.path)
	}
	if err != nil {
		return fmt.Errorf("%w: rename %s: %w", backend.ErrFailed, n.temp, err)
	}
	return nil
}

// rename renames the file while no reader is about to open the older one. If a rename fails but has happened, done is true:
// readers find the new file, so swap was called.
func (n *newFile) rename(swap func()) (done bool, err error) {
	d := n.dir
	d.reading.Lock()
	defer d.reading.Unlock()
	d.names.Lock()
	defer d.names.Unlock()
	err = d.fs.Rename(d.join(n.temp), d.join(n.name))
	if done = err == nil; !done {
		_, statErr := d.fs.Stat(d.join(n.temp))
		done = errors.Is(statErr, fs.ErrNotExist)
	}
	if done && swap != nil {
		swap()
	}
	return done, err
}

// discard closes the file and removes it.
func (n *newFile) discard() error { return errors.Join(n.file.Close(), n.remove()) }

// remove removes the file, unless another process may have made a file of the same name.
func (n *newFile) remove() error {
	if n.dir.held() != nil {
		return nil
	}
	return n.dir.fs.Remove(n.dir.join(n.temp))
}

// A replacement is a snapshot, or a segment file with gaps, that is being written.
type replacement struct {
	*newFile
	*format.Writer
	index indexFile
}

// replace begins a file of the log. The method replaceAs begins a file of a log with another identity.
func (d *directory) replace(f format.File) (*replacement, error) { return d.replaceAs(f, d.id) }

func (d *directory) replaceAs(f format.File, id format.Identity) (*replacement, error) {
	n, err := d.create(f.Name)
	if err != nil {
		return nil, err
	}
	r := &replacement{newFile: n, index: indexFile{dir: d, name: f.Name}}
	r.Writer = format.NewWriter(n.file, f, id, r.index.open)
	return r, nil
}

func (r *replacement) discard() error { return errors.Join(r.newFile.discard(), r.index.discard()) }

// newSnapshot describes a new snapshot of the log through a seq. The function newSegment describes a segment for a range of
// seqs.
func newSnapshot(through uint64) format.File {
	return format.File{Name: snapshotName(through), Snapshot: true, First: 1, Last: through}
}

func newSegment(first, last uint64) format.File {
	return format.File{Name: segmentName(first), First: first, Last: last}
}

// finish completes the file, gives it its name, and writes its index. For swap and errors, see install.
func (r *replacement) finish(swap func(s *segment)) (*segment, error) {
	if err := r.Finish(r.dir.now()); err != nil {
		return nil, errors.Join(err, r.discard())
	}
	s := &segment{File: r.File, id: r.Identity}
	s.tree.Store(r.Tree())
	err := r.install(func() {
		if swap != nil {
			swap(s)
		}
	})
	if err = errors.Join(err, r.file.Close()); err != nil {
		return nil, errors.Join(err, r.index.discard())
	}
	r.dir.describe(s, &r.index, func(to format.ReadWriter) (int64, error) { return r.WriteIndex(to, r.dir.now()) })
	return s, nil
}

// describe writes the index of a segment. The log works without it.
func (d *directory) describe(s *segment, index *indexFile, write func(to format.ReadWriter) (int64, error)) {
	if err := index.finish(s, write); err != nil {
		d.log.Warn("a file has no index and will be read whole when the log is opened",
			zap.String("path", d.join(s.Name)), zap.Error(err))
	}
}
