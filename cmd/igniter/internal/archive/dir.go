package archive

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/cmd/igniter/internal/wholefile"
	"github.com/igniter-store/igniter/wire"
)

const (
	pieceExt = ".backup"
	lockName = "LOCK"
)

// A Piece is a part of a backup, in a file or from a stream.
type Piece struct {
	Path string
	Header
	stream *reader // nil: it is in a file
}

// open opens a piece; "-" is the one in in. The caller closes it.
func (p Piece) open(in io.Reader) (*reader, error) {
	switch {
	case p.stream != nil:
		return p.stream, nil
	case p.Path == "-":
		return newReader(in, "the input")
	}
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, err
	}
	r, err := newReader(bufio.NewReaderSize(f, 1<<20), p.Path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

// Find returns the pieces in some files and directories, in the order of their seqs; "-" is the piece that in yields,
// which can be read once. Each piece must begin where the one before ends, the first at the log's beginning.
func Find(in io.Reader, paths ...string) (pieces []Piece, err error) {
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			if files, err = named(path, pieceExt); err != nil {
				return nil, err
			}
		}
		for _, file := range files {
			p := Piece{Path: file}
			r, err := p.open(in)
			if err != nil {
				return nil, err
			}
			if p.Path, p.Header = r.name, r.header; r.file == nil {
				p.stream = r
			} else {
				r.close()
			}
			pieces = append(pieces, p)
		}
	}
	slices.SortFunc(pieces, func(a, b Piece) int {
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Through, b.Through), strings.Compare(a.Path, b.Path))
	})
	through := uint64(0)
	for _, p := range pieces {
		if p.After != through {
			return nil, fmt.Errorf("%s begins after seq %d, and what comes before it ends at seq %d: give all pieces of one backup, each once", p.Path, p.After, through)
		}
		through = p.Through
	}
	return pieces, nil
}

// named returns the files in a directory whose names end with ext.
func named(dir, ext string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var files []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ext) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, err
}

// Pages yields the facts with a seq up to through of pieces that follow each other, a page for each batch. It reads and
// checks all of the pieces, whatever through is.
func Pages(pieces []Piece, through uint64) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		var sum Summary
		for _, p := range pieces {
			for page, err := range p.pages(sum.SHA256, &sum) {
				if i := slices.IndexFunc(page.Facts, func(f backend.Fact) bool { return f.Seq > through }); i >= 0 {
					page.Facts = page.Facts[:i]
				}
				page.Through.Seq = min(page.Through.Seq, through)
				if !yield(page, err) || err != nil {
					return
				}
			}
		}
	}
}

// Past returns the logs that have the facts of pieces through a seq, each through a seq, the latest first, as file.Restore
// takes them; nil if the pieces do not say.
func Past(pieces []Piece, through uint64) []backend.Ancestor {
	for _, p := range slices.Backward(pieces) {
		if p.Log != (backend.LogID{}) {
			return backend.Inherit(p.Log, p.Ancestors, min(through, p.Through))
		}
	}
	return nil
}

// pages yields the facts of a piece, each frame of the log as a page, and at last an empty page that says through where
// the piece goes. If the loop ends without an error, all of the piece is as it was written, and sum is what its end says.
// previous is the SHA-256 of the piece before; "": not known.
func (p Piece) pages(previous string, sum *Summary) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		r, err := p.open(nil)
		if err != nil {
			yield(backend.Page{}, err)
			return
		}
		defer r.close()
		if p.Previous != "" && previous != "" && p.Previous != previous {
			err = &backend.CorruptError{Path: p.Path, Reason: "it follows another piece than the one before it"}
		}
		for err == nil {
			var pages []backend.Page
			pages, err = r.block()
			for _, page := range pages {
				if !yield(page, nil) {
					return
				}
			}
		}
		if err != io.EOF {
			yield(backend.Page{}, err)
			return
		}
		*sum = r.summary
		yield(backend.Page{Through: backend.Cursor{Seq: p.Through}}, nil)
	}
}

// Check reads all of a piece and returns what its end says.
func (p Piece) Check() (sum Summary, err error) {
	for _, err = range p.pages("", &sum) {
	}
	return sum, err
}

// A Dir is a directory of pieces that a backup is made to.
type Dir struct {
	path string
	lock *flock.Flock
}

// OpenDir creates a directory if it is missing, and locks it until Close, so that one backup at a time is made to it.
// It removes unfinished files of earlier backups.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	d := &Dir{path, flock.New(filepath.Join(path, lockName), flock.SetPermissions(0o644))}
	ok, err := d.lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("another backup is being made to %s: wait for it to end", path)
	}
	left, err := named(path, wholefile.TempExt)
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	return d, nil
}

// Close unlocks the directory.
func (d *Dir) Close() error { return d.lock.Close() }

// Pieces returns the pieces in the directory, see [Find].
func (d *Dir) Pieces() ([]Piece, error) { return Find(nil, d.path) }

// Add writes a piece, see [Write]. The piece is durable when Add returns nil; after an error there is none. It returns
// the piece's path and its size.
func (d *Dir) Add(h Header, previous Summary, pages iter.Seq2[wire.Frames, error]) (path string, size int64, sum Summary, err error) {
	path = filepath.Join(d.path, fmt.Sprintf("%020d-%020d%s", h.After+1, h.Through, pieceExt))
	err = wholefile.Write(path, 0o666, func(f *os.File) error {
		out := bufio.NewWriterSize(f, 1<<20)
		if sum, err = Write(out, h, previous, pages); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		size, err = f.Seek(0, io.SeekCurrent)
		return err
	})
	return path, size, sum, err
}
