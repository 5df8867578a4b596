// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A Line is one history: pieces that follow each other from a log's beginning. If a log was restored to an earlier seq
// and is backed up to the same directory again, its pieces form a new line after the last piece that both have in
// common.
type Line struct {
	Number int // from 1; a line that began later has a greater one
	Pieces []Piece
}

// Last returns the line's last piece.
func (l Line) Last() *Piece { return &l.Pieces[len(l.Pieces)-1] }

// Checkpoints returns the checkpoints in the pieces that cover no fact beyond a seq.
func (l Line) Checkpoints(through uint64) (all []backend.Checkpoint, err error) {
	for _, p := range l.Pieces {
		if p.Checkpoint == "" {
			continue
		}
		c, err := backend.ParseCheckpoint(p.Checkpoint)
		if err != nil {
			return nil, &DamageError{&backend.CorruptError{Path: p.Path, Reason: err.Error()}}
		}
		if c.Head.Leaves <= min(through, p.Through) {
			all = append(all, c)
		}
	}
	return all, nil
}

// Made returns when a piece was made. If it was merged from several, this is when the last of them was made.
func (p *Piece) Made() time.Time {
	t, _ := wire.ParseTime(p.CreatedAt) // zero: it was made long ago
	return t
}

// precedes reports whether next can be the piece after p.
func (p *Piece) precedes(next *Piece) bool {
	if p.Through != next.After {
		return false
	}
	if next.Previous != "" && p.SHA256 != "" { // false for a piece from a stream
		if p.SHA256 != next.Previous && !slices.Contains(p.As, next.Previous) {
			return false
		}
	}
	if p.Log == (backend.LogID{}) || next.Log == (backend.LogID{}) {
		return true
	}
	s := backend.Stats{Log: next.Log, Ancestors: next.Ancestors, LastSeq: next.Through}
	_, err := s.Resume(backend.Cursor{Log: p.Log, Seq: p.Through})
	return err == nil
}

// misplaced is the error for a piece that does not follow the previous one.
func (p *Piece) misplaced() error {
	return &DamageError{&backend.CorruptError{Path: p.Path, Reason: "it does not follow the piece before it, or is of another log"}}
}

// replaces reports whether other is one of the pieces from which p was merged.
func (p *Piece) replaces(other *Piece) bool {
	return len(p.As) > 0 && p.Path != other.Path && p.Line == other.Line && p.After <= other.After && other.Through <= p.Through
}

// Find returns the lines that the pieces in some files and directories form, the newest first. The path "-" is the
// piece in the stream in, which can be read once. Each piece must follow another one, or begin at the log's beginning.
// Two pieces are linked by the hash of the previous piece, and by the identity of the log.
func Find(in io.Reader, paths ...string) ([]Line, error) {
	var all []Piece
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			if files, err = named(path, pieceExt); err != nil {
				return nil, err
			}
		}
		for _, file := range files {
			p, _, err := load(file, in, false)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return arrange(all)
}

// arrange puts pieces in lines. Pieces that a merge has left behind are left out.
func arrange(all []Piece) ([]Line, error) {
	slices.SortFunc(all, func(a, b Piece) int {
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Through, b.Through), cmp.Compare(a.Line, b.Line), strings.Compare(a.Path, b.Path))
	})
	var merged []*Piece
	for i := range all {
		if len(all[i].As) > 0 {
			merged = append(merged, &all[i])
		}
	}
	pieces := slices.DeleteFunc(slices.Clone(all), func(p Piece) bool {
		return slices.ContainsFunc(merged, func(m *Piece) bool { return m.replaces(&p) })
	})
	before, ends := make([]int, len(pieces)), map[uint64][]int{} // by seq: the pieces that end there
	next := make([]int, len(pieces))                             // how many pieces follow
	for i := range pieces {
		p := &pieces[i]
		before[i] = -1
		if p.After > 0 || p.Previous != "" {
			for _, j := range ends[p.After] {
				if pieces[j].precedes(p) {
					before[i] = j
				}
			}
			if before[i] < 0 {
				return nil, lost(p, pieces[:i])
			}
			next[before[i]]++
		}
		ends[p.Through] = append(ends[p.Through], i)
	}
	var lines []Line
	for i := range pieces {
		if next[i] > 0 {
			continue
		}
		l := Line{Number: pieces[i].Line + 1}
		for j := i; j >= 0; j = before[j] {
			l.Pieces = append(l.Pieces, pieces[j])
		}
		slices.Reverse(l.Pieces)
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b Line) int {
		return cmp.Or(b.Last().Made().Compare(a.Last().Made()), cmp.Compare(b.Number, a.Number))
	})
	numbers := map[int]*Piece{}
	for _, l := range lines {
		if other := numbers[l.Number]; other != nil {
			return nil, fmt.Errorf("%s and %s are pieces of different backups, or one piece twice: give all pieces of one backup, each once", other.Path, l.Last().Path)
		}
		numbers[l.Number] = l.Last()
	}
	return lines, nil
}

// lost is the error for a piece that follows no other piece.
func lost(p *Piece, before []Piece) error {
	through := uint64(0)
	for i := range before {
		if before[i].Through == p.After {
			return p.misplaced()
		}
		through = max(through, min(before[i].Through, p.After))
	}
	return fmt.Errorf("%s begins after seq %d, and what comes before it ends at seq %d: give all pieces of one backup, each once", p.Path, p.After, through)
}

// A Reading reads a line, once.
type Reading struct {
	pieces  []Piece
	through uint64

	horizons map[string]backend.Horizon
	latest   time.Time // of the facts
	unknown  bool      // facts are missing, and the piece has no horizons for them
}

// Read begins to read the facts of a line with a seq up to through.
func (l Line) Read(through uint64) *Reading {
	return &Reading{pieces: l.Pieces, through: through, horizons: map[string]backend.Horizon{}}
}

// Pages yields the facts, a page for each batch. It reads and checks all of the pieces, whatever through is.
func (r *Reading) Pages() iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		var before *Piece
		for _, p := range r.pieces {
			var sum Summary
			for page, err := range p.pages(before, &sum) {
				if i := slices.IndexFunc(page.Facts, func(f backend.Fact) bool { return f.Seq > r.through }); i >= 0 {
					page.Facts = page.Facts[:i]
				}
				page.Through.Seq = min(page.Through.Seq, r.through)
				r.note(page.Facts)
				if !yield(page, err) || err != nil {
					return
				}
			}
			if p.After < r.through && sum.Facts < p.Through-p.After {
				r.unknown = r.unknown || p.Version < 3
				for store, h := range sum.Horizons {
					r.horizons[store] = r.horizons[store].Later(h)
				}
			}
			p.Summary = sum
			before = &p
		}
	}
}

func (r *Reading) note(facts []backend.Fact) {
	for i := range facts {
		if t := facts[i].TransactionTime; t.After(r.latest) {
			r.latest = t
		}
	}
}

// Stats describes the log of the facts, for file.Restore. After Pages has ended, it has the horizons of missing facts.
// A piece of version 1 or 2 that lacks facts has no horizons: then the past of all stores is incomplete.
func (r *Reading) Stats(context.Context) (backend.Stats, error) {
	s := backend.Stats{Horizons: r.horizons}
	if r.unknown {
		s.Horizons[backend.AllStores] = backend.Horizon{Seq: r.through, Time: r.latest}
	}
	for _, p := range slices.Backward(r.pieces) {
		if p.Log != (backend.LogID{}) {
			s.Ancestors = backend.Inherit(p.Log, p.Ancestors, min(r.through, p.Through))
			break
		}
	}
	return s, nil
}
