// SPDX-License-Identifier: Apache-2.0

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

// Input is the path of a piece from a stream, in reports and errors.
const Input = "the input"

// A Piece is a part of a backup, in a file or from a stream.
type Piece struct {
	Path string
	Header
	Summary         // zero if the piece is from a stream
	stream  *reader // nil: it is in a file
}

// open opens a piece; the path "-" is the piece in the stream in. The caller closes it.
func (p Piece) open(in io.Reader) (*reader, error) {
	switch {
	case p.stream != nil:
		return p.stream, nil
	case p.Path == "-":
		return newReader(in, Input)
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

// load reads the header and the end of a piece and, with withFacts, the facts at its end. The path "-" is the piece in
// the stream in.
func load(path string, in io.Reader, withFacts bool) (p Piece, facts []backend.Fact, err error) {
	if path == "-" {
		r, err := newReader(in, Input)
		if err != nil {
			return p, nil, err
		}
		return Piece{Path: r.name, Header: r.header, stream: r}, nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return p, nil, err
	}
	defer f.Close()
	r, err := newReader(f, path)
	if err != nil {
		return p, nil, err
	}
	defer r.close()
	t, err := r.tail(f, withFacts)
	return Piece{Path: path, Header: r.header, Summary: t.Summary}, t.facts, err
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

// pages yields the facts of a piece, each frame of the log as a page, and then an empty page with the last seq of the
// piece. If the loop ends without an error, the whole piece is as it was written, and *sum is the summary at its end.
// before is the previous piece; nil: not known.
func (p Piece) pages(before *Piece, sum *Summary) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		r, err := p.open(nil)
		if err != nil {
			yield(backend.Page{}, err)
			return
		}
		defer r.close()
		if before != nil && !before.precedes(&p) {
			err = p.misplaced()
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

// Check reads a whole piece, checks it, and returns the summary at its end.
func (p Piece) Check() (sum Summary, err error) {
	for _, err = range p.pages(nil, &sum) {
	}
	return sum, err
}

// A Dir is a directory with the pieces of a backup.
type Dir struct {
	path string
	lock *flock.Flock
}

// OpenDir locks a directory until Close, so that only one backup at a time writes to it. It creates the directory if it
// is missing, and removes unfinished files of earlier backups. Only the owner can read the directory and its files,
// whatever the umask; an existing directory keeps its mode.
func OpenDir(path string) (*Dir, error) {
	if err := wholefile.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if err := wholefile.Touch(filepath.Join(path, lockName), 0o600); err != nil {
		return nil, err
	}
	d := &Dir{path, flock.New(filepath.Join(path, lockName), flock.SetPermissions(0o600))}
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

// Lines returns the lines in the directory, see [Find].
func (d *Dir) Lines() ([]Line, error) { return Find(nil, d.path) }

// Latest returns the last piece of each line, the latest first, with the facts in its last block. It reads other pieces
// only if their names show that pieces overlap or are missing: then all pieces must form lines, see [Find].
func (d *Dir) Latest() (ends []End, err error) {
	files, err := named(d.path, pieceExt)
	if err != nil {
		return nil, err
	}
	last := map[int]Header{}
	paths := map[int]string{}
	all := make([]Header, 0, len(files))
	for _, path := range files {
		h, ok := parseName(filepath.Base(path))
		if !ok {
			p, _, err := load(path, nil, false)
			if err != nil {
				return nil, err
			}
			h = p.Header
		}
		all = append(all, h)
		was, found := last[h.Line]
		if !found || h.Through > was.Through || h.Through == was.Through && h.After < was.After {
			last[h.Line], paths[h.Line] = h, path
		}
	}
	if !chained(all) {
		if _, err := d.Lines(); err != nil {
			return nil, err
		}
	}
	for line, path := range paths {
		p, facts, err := load(path, nil, true)
		if err != nil {
			return nil, err
		}
		if h := last[line]; p.After != h.After || p.Through != h.Through || p.Line != line {
			return nil, &DamageError{&backend.CorruptError{Path: path, Reason: "it has the name of another piece"}}
		}
		ends = append(ends, End{p, facts})
	}
	slices.SortFunc(ends, func(a, b End) int { return cmp.Or(b.Made().Compare(a.Made()), cmp.Compare(b.Line, a.Line)) })
	return ends, nil
}

// chained reports whether each piece begins at the log's beginning or where a piece of the same or an earlier line
// ends, and whether each piece but the last of its line is followed by a piece of its line. This is false if pieces are
// missing, foreign, or left over from a merge.
func chained(all []Header) bool {
	type place struct {
		line int
		seq  uint64
	}
	ends, starts, last := map[uint64]int{}, map[place]bool{}, map[int]bool{} // ends: by seq, the first line of which a piece ends there
	for _, h := range all {
		if line, ok := ends[h.Through]; !ok || h.Line < line {
			ends[h.Through] = h.Line
		}
		if starts[place{h.Line, h.After}] {
			return false
		}
		starts[place{h.Line, h.After}] = true
	}
	for _, h := range all {
		if line, ok := ends[h.After]; h.After > 0 && (!ok || line > h.Line) {
			return false
		}
		if !starts[place{h.Line, h.Through}] {
			if last[h.Line] {
				return false
			}
			last[h.Line] = true
		}
	}
	return true
}

// An End is a piece with the facts in its last block.
type End struct {
	Piece
	Facts []backend.Fact
}

// Load reads the end of a piece again, for the facts in its last block.
func (p Piece) Load() (End, error) {
	p, facts, err := load(p.Path, nil, true)
	return End{p, facts}, err
}

func name(h *Header) string {
	line := ""
	if h.Line > 0 {
		line = fmt.Sprintf(".%d", h.Line+1)
	}
	return fmt.Sprintf("%020d-%020d%s%s", h.After+1, h.Through, line, pieceExt)
}

// parseName parses the name of a piece.
func parseName(text string) (h Header, ok bool) {
	_, err := fmt.Sscanf(text, "%020d-%020d", &h.After, &h.Through)
	if err != nil || h.After == 0 {
		return h, false
	}
	h.After--
	if name(&h) != text {
		_, _ = fmt.Sscanf(text, "%020d-%020d.%d", new(uint64), new(uint64), &h.Line)
		h.Line--
	}
	return h, name(&h) == text
}

// Add writes a piece, see [Write]. The piece is durable when Add returns nil; after an error there is no piece. It returns
// the piece and its size.
func (d *Dir) Add(h Header, previous Summary, pages iter.Seq2[wire.Frames, error], ask func() (map[string]backend.Horizon, error)) (p Piece, size int64, err error) {
	path, sum := filepath.Join(d.path, name(&h)), Summary{}
	err = wholefile.Write(path, 0o600, func(f *os.File) error {
		out := bufio.NewWriterSize(f, 1<<20)
		if sum, err = Write(out, h, previous, pages, ask); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		size, err = f.Seek(0, io.SeekCurrent)
		return err
	})
	return Piece{Path: path, Header: h, Summary: sum}, size, err
}
