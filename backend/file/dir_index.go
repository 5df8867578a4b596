package file

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
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
	x.file, x.close = true, func() { _ = in.Close() } // it was only read
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

// buildIndex reads a sealed file and returns its index. It adds the file to tree, which takes longer than all else; nil: it
// does not.
// between, if not nil, is called after each frame.
func (d *directory) buildIndex(ctx context.Context, f *format.File, tree *format.Tree, between func()) ([]byte, error) {
	x, of := format.NewIndexBuilder(), *f
	of.Points = nil
	var nodes func(...merkle.Node)
	if x.Tree = tree; tree != nil {
		nodes = tree.Nodes
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
	if err != nil {
		return nil, err
	}
	return x.Encode(&of, d.now()), nil
}

// indexOf returns the index of a sealed file, from its index file or built.
func (d *directory) indexOf(ctx context.Context, f format.File) (*index, error) {
	if x, err := d.openIndex(&f); err == nil && x.HasStores() {
		return x, nil
	} else if err == nil {
		x.close()
	}
	data, err := d.buildIndex(ctx, &f, nil, nil)
	if err != nil {
		return nil, err
	}
	return memoryIndex(data, &f)
}

// writeIndex writes the index of a segment. It need not be durable: if it is lost or torn, it is built
// again.
//
//	open(NAME.idx.tmp, O_CREAT|O_TRUNC)
//	pwrite
//	rename(NAME.idx.tmp, NAME.idx)
func (d *directory) writeIndex(s *segment, data []byte) error {
	n, err := d.create(s.Name + indexExt)
	if err != nil {
		return err
	}
	if err := vfs.WriteAll(n.file, data, 0); err != nil {
		return errors.Join(err, n.discard())
	}
	if err = errors.Join(n.file.Close(), d.held()); err == nil {
		err = d.fs.Rename(d.join(n.temp), d.join(n.name))
	}
	if err == nil {
		s.index.Store(int64(len(data)))
	}
	return err
}
