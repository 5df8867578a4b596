// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/internal/merkle"
)

// An index is an open index, from its file or in memory.
type index struct {
	*format.Index
	size  int64
	file  bool // it is in a file
	close func()
}

// openIndex opens the index file of f, if it is valid, and sets f.Points and f.Largest.
func (d *directory) openIndex(f *format.File) (*index, error) {
	path := d.join(f.Name + indexExt)
	in, err := d.fs.Open(path)
	if err != nil {
		return nil, err
	}
	size, err := in.Size()
	var x *index
	if err == nil {
		x, err = newIndex(in, size, path, f)
	}
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	x.file, x.close = true, func() { _ = in.Close() } // it is only read
	return x, nil
}

// memoryIndex returns an index that has no file yet, and sets f.Points and f.Largest.
func memoryIndex(data []byte, f *format.File) (*index, error) {
	return newIndex(bytes.NewReader(data), int64(len(data)), f.Name+indexExt, f)
}

func newIndex(data io.ReaderAt, size int64, path string, f *format.File) (*index, error) {
	x, err := format.OpenIndex(data, size, path, f)
	if err == nil {
		f.Largest = x.Header.Largest
		f.Points, err = x.Points()
	}
	return &index{Index: x, size: size, close: func() {}}, err
}

// buildIndex reads a sealed file and adds it to the index x. If x has a tree, it computes the tree, which takes longer than
// all else. It returns f, completed from the index. between, if not nil, is called after each frame.
func (d *directory) buildIndex(ctx context.Context, f *format.File, x *format.IndexBuilder, between func()) (format.File, error) {
	of := *f
	of.Points = nil
	var nodes func(...merkle.Node)
	if x.Tree != nil {
		nodes = x.Tree.Nodes
	}
	err := d.scan(ctx, f, nodes, func(body []byte, facts []backend.Fact, offset int64) error {
		of.Hold(len(body))
		of.Mark(facts[0].Seq, offset)
		x.Add(facts)
		if between != nil {
			between()
		}
		return nil
	})
	return of, err
}

// encodeIndex reads a sealed file and returns its index, without a tree.
func (d *directory) encodeIndex(ctx context.Context, f *format.File) ([]byte, error) {
	x := format.NewIndexBuilder()
	of, err := d.buildIndex(ctx, f, x, nil)
	if err != nil {
		return nil, err
	}
	return x.Encode(&of, d.now()), nil
}

// indexOf returns the index of a sealed file. It reads the index file, or builds the index if there is no valid one.
func (d *directory) indexOf(ctx context.Context, f format.File) (*index, error) {
	if x, err := d.openIndex(&f); err == nil && x.HasStores() {
		return x, nil
	} else if err == nil {
		x.close()
	}
	data, err := d.encodeIndex(ctx, &f)
	if err != nil {
		return nil, err
	}
	return memoryIndex(data, &f)
}

// An indexFile is an index file that is being written. Parts of it may be written early.
type indexFile struct {
	dir      *directory
	name     string // of the file that it describes, which may be renamed later
	*newFile        // nil: nothing is written yet
}

// open creates the file.
func (x *indexFile) open() (format.ReadWriter, error) {
	n, err := x.dir.create(x.name + indexExt)
	if err != nil {
		return nil, err
	}
	x.newFile = n
	return n.file, nil
}

func (x *indexFile) discard() error {
	if x.newFile == nil {
		return nil
	}
	return x.newFile.discard()
}

// finish calls write to write the index of a segment, and renames the file. The file need not be durable: if it is lost or
// torn, Open builds it again.
//
//	open(NAME.idx.tmp, O_CREAT|O_TRUNC)      perhaps earlier
//	pwrite
//	rename(NAME.idx.tmp, NAME.idx)
func (x *indexFile) finish(s *segment, write func(to format.ReadWriter) (size int64, err error)) error {
	if x.newFile == nil {
		if _, err := x.open(); err != nil {
			return err
		}
	}
	size, err := write(x.file)
	if err != nil {
		return errors.Join(err, x.discard())
	}
	if err = errors.Join(x.file.Close(), x.dir.held()); err == nil {
		err = x.dir.fs.Rename(x.dir.join(x.temp), x.dir.join(s.Name+indexExt))
	}
	if err == nil {
		s.index.Store(size)
	}
	return err
}
