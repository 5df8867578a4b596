// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// load loads the sealed segments into the sequencer, from their indexes, and repairs segments if necessary. If it finds a
// damaged index, it builds the index again and restarts.
func (r *recovery) load(ctx context.Context) error {
	indexes := make([]*index, len(r.sealed))
	for i, s := range r.sealed {
		err := ctx.Err()
		if err == nil && !r.opts.Repair { // a repair reads each file, to find damage
			if indexes[i], err = r.openIndex(&s.File); err == nil {
				indexes[i].close() // a log may have more files than the process may have open
				s.index.Store(indexes[i].size)
				s.tree.Store(indexes[i].Header.Tree)
			}
			err = nil // a file without a valid index is read
		}
		if err == nil && indexes[i] == nil {
			indexes[i], err = r.reindex(ctx, i)
		}
		if err != nil {
			return err
		}
		r.progress.advance(s.Size)
	}
	for {
		r.seq = sequencer.New(r.lookup)
		bad, err := r.loadIndexes(indexes)
		if !errors.Is(err, format.ErrNoIndex) {
			return err
		}
		if indexes[bad], err = r.reindex(ctx, bad); err != nil {
			return err
		}
	}
}

// A builtIndex is an index that is not written to its file yet.
type builtIndex struct {
	segment *segment
	data    []byte
}

// reindex builds the index of a sealed segment from its facts, after a repair if necessary.
func (r *recovery) reindex(ctx context.Context, i int) (*index, error) {
	s := r.sealed[i]
	data, err := r.encodeIndex(ctx, &s.File)
	if r.opts.Repair && errors.Is(err, backend.ErrCorrupt) {
		if s, err = r.repair(ctx, s.File); err != nil {
			return nil, err
		}
		r.sealed[i] = s
		data, err = r.encodeIndex(ctx, &s.File)
	}
	if err != nil {
		return nil, err
	}
	r.report.Read = append(r.report.Read, s.Name)
	x, err := memoryIndex(data, &s.File)
	if err != nil {
		return nil, err
	}
	r.built = append(r.built, builtIndex{s, data})
	return x, nil
}

// writeBuilt writes the indexes that were built.
func (r *recovery) writeBuilt() {
	for _, x := range r.built {
		index := indexFile{dir: r.directory, name: x.segment.Name}
		r.describe(x.segment, &index, func(to format.ReadWriter) (int64, error) {
			return int64(len(x.data)), vfs.WriteAll(to, x.data, 0)
		})
	}
	r.built = nil
}

// loadIndexes loads IDs and keys in parallel. If the error is ErrNoIndex, bad is the position of the damaged index.
func (r *recovery) loadIndexes(indexes []*index) (bad int, err error) {
	ids, keys := 0, 0
	for _, x := range indexes {
		ids += x.Header.IDs
		keys = max(keys, x.Header.Keys)
	}
	r.seq.Reserve(ids, keys)
	badIDs, errIDs, done := 0, error(nil), make(chan struct{})
	go func() {
		defer close(done)
		for i, x := range indexes {
			if errIDs = r.read(i, x, func(x *index) error { return x.IDs(r.seq.LoadIDs) }); errIDs != nil {
				badIDs = i
				return
			}
		}
	}()
	for i, x := range indexes {
		if err = r.read(i, x, func(x *index) error { return x.Keys(r.seq.LoadKeys) }); err != nil {
			bad = i
			break
		}
		r.seq.LoadTime(x.Time)
		r.seq.Skip(r.sealed[i].Last + 1)
	}
	<-done
	if errIDs != nil {
		return badIDs, errIDs
	}
	return bad, err
}

// read calls do with an open index. It opens the file of an index that has one.
func (r *recovery) read(i int, x *index, do func(*index) error) error {
	if x.file {
		f, err := r.sealed[i].File, error(nil)
		if x, err = r.openIndex(&f); err != nil {
			return err
		}
		defer x.close()
	}
	return do(x)
}
