package archive

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

const (
	pieceExt = ".backup"
	tempExt  = ".tmp"
	lockName = "LOCK"
)

// A Piece is a file of a backup.
type Piece struct {
	Path string
	Header
}

// open opens a piece. The caller closes what it returns last.
func (p Piece) open() (*Reader, *os.File, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, nil, err
	}
	r, err := NewReader(bufio.NewReaderSize(f, 1<<20), p.Path)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return r, f, nil
}

// Find returns the pieces in some files and directories, in the order of their seqs. They must follow each other from
// the first fact on.
func Find(paths ...string) ([]Piece, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := named(path, pieceExt)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	var pieces []Piece
	for _, path := range files {
		p := Piece{Path: path}
		r, f, err := p.open()
		if err != nil {
			return nil, err
		}
		p.Header = r.Header
		r.Close()
		if err := f.Close(); err != nil {
			return nil, err
		}
		pieces = append(pieces, p)
	}
	slices.SortFunc(pieces, func(a, b Piece) int {
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Through, b.Through), strings.Compare(a.Path, b.Path))
	})
	through := uint64(0)
	for _, p := range pieces {
		if p.After != through {
			return nil, fmt.Errorf("%s begins after seq %d, and what comes before it ends at seq %d: give all the pieces of one backup, and each once", p.Path, p.After, through)
		}
		through = p.Through
	}
	return pieces, nil
}

// named returns the files in a directory whose names end alike.
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

// Pages yields the facts of pieces that follow each other, as [Reader.Pages] does, and checks the pieces whole.
func Pages(pieces []Piece) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		previous := ""
		for _, p := range pieces {
			sum, more, err := p.yield(previous, yield)
			if err != nil {
				yield(backend.Page{}, err)
				return
			}
			if !more {
				return
			}
			previous = sum.SHA256
		}
	}
}

func (p Piece) yield(previous string, yield func(backend.Page, error) bool) (sum Summary, more bool, err error) {
	r, f, err := p.open()
	if err != nil {
		return sum, false, err
	}
	defer f.Close()
	defer r.Close()
	if r.Header.Previous != "" && previous != "" && r.Header.Previous != previous {
		return sum, false, &backend.CorruptError{Path: p.Path, Reason: "it follows another piece than the one before it"}
	}
	for page, err := range r.Pages() {
		if err != nil {
			return sum, false, err
		}
		if !yield(page, nil) {
			return sum, false, nil
		}
	}
	return r.Summary, true, nil
}

// Check reads a piece whole, and returns what its end says.
func (p Piece) Check() (Summary, error) {
	sum, _, err := p.yield("", func(backend.Page, error) bool { return true })
	return sum, err
}

// A Dir is a directory of pieces that a backup is made to.
type Dir struct {
	path string
	lock *flock.Flock
}

// OpenDir makes a directory if it is missing, and holds it until Close, so that one backup at a time is made to it.
// What an earlier one has left unfinished is removed.
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
	left, err := named(path, pieceExt+tempExt)
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	return d, nil
}

// Close gives the directory up.
func (d *Dir) Close() error { return d.lock.Close() }

// Pieces returns the pieces that are there.
func (d *Dir) Pieces() ([]Piece, error) { return Find(d.path) }

// Add adds a piece, durably: it is there whole, or not at all.
func (d *Dir) Add(ctx context.Context, after, through uint64, previous Summary, pages iter.Seq2[wire.Frames, error]) (path string, sum Summary, err error) {
	path = filepath.Join(d.path, fmt.Sprintf("%020d-%020d%s", after+1, through, pieceExt))
	f, err := os.Create(path + tempExt)
	if err != nil {
		return "", sum, err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	sum, err = Write(out, after, through, previous, pages)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(path+tempExt, path)
	}
	if err != nil {
		return "", sum, errors.Join(err, os.Remove(path+tempExt))
	}
	return path, sum, syncDir(d.path)
}

// Size returns how many bytes a file has.
func Size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
