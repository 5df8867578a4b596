// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// mergeSize is how many bytes of pieces become one piece, at most.
const mergeSize = 256 << 20

// Merge replaces small pieces that follow each other by one piece. It returns how many pieces it replaced, and by how
// many. Where two lines branch, a piece still ends. Each new piece is durable and checked before the old ones are
// removed. If Merge is cut short, the remaining pieces are a whole backup, and the next Merge removes the replaced
// ones.
func (d *Dir) Merge() (replaced, by int, err error) {
	lines, err := d.Lines()
	if err != nil {
		return 0, 0, err
	}
	uses := map[string]int{} // how many lines have a piece
	for _, l := range lines {
		for _, p := range l.Pieces {
			uses[p.Path]++
		}
	}
	var kept []Piece
	done := map[string]bool{}
	for _, l := range lines {
		for from := 0; from < len(l.Pieces); {
			to, size := from, int64(0)
			for ; to < len(l.Pieces); to++ {
				p := &l.Pieces[to]
				info, err := os.Stat(p.Path)
				if err != nil {
					return replaced, by, err
				}
				if size += info.Size(); to > from && (size > mergeSize || p.Line != l.Pieces[from].Line || uses[p.Path] != uses[l.Pieces[from].Path]) {
					break
				}
			}
			to = max(to, from+1)
			run := l.Pieces[from:to]
			from = to
			if done[run[0].Path] {
				continue // with another line
			}
			done[run[0].Path] = true
			p := run[0]
			if len(run) > 1 {
				if p, err = d.merge(run); err != nil {
					return replaced, by, err
				}
				replaced, by = replaced+len(run), by+1
			}
			kept = append(kept, p)
		}
	}
	return replaced, by, d.removeReplaced(kept)
}

// merge writes one piece with the contents of pieces that follow each other.
func (d *Dir) merge(run []Piece) (Piece, error) {
	first, last := &run[0], &run[len(run)-1]
	h := last.Header
	h.After, h.As = first.After, append([]string{last.SHA256}, last.As...)
	r := Line{Pieces: run}.Read(last.Through)
	ask := func() (map[string]backend.Horizon, error) {
		s, err := r.Stats(context.Background())
		return s.Horizons, err
	}
	facts := uint64(0)
	for i := range run {
		facts += run[i].Facts
	}
	p, _, err := d.Add(h, Summary{SHA256: first.Previous, LastID: last.LastID}, framesOf(r.Pages()), ask)
	if err != nil {
		return p, err
	}
	sum, err := p.Check()
	if err == nil && (sum.SHA256 != p.SHA256 || sum.Facts != facts) {
		err = fmt.Errorf("%w: %s does not hold what was written to it; look at the disk", backend.ErrCorrupt, p.Path)
	}
	return p, err
}

// framesOf yields pages as frames.
func framesOf(pages iter.Seq2[backend.Page, error]) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		for p, err := range pages {
			x := wire.Frames{Facts: len(p.Facts), Through: p.Through}
			if x.Facts > 0 {
				x.Bytes = wire.CloseFrame(wire.AppendGroup(wire.OpenFrame(nil), p.Facts), 0)
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

// removeReplaced removes the pieces that merged pieces have replaced.
func (d *Dir) removeReplaced(kept []Piece) error {
	files, err := named(d.path, pieceExt)
	if err != nil {
		return err
	}
	for _, path := range files {
		p, _, loadErr := load(path, nil, false)
		if loadErr == nil && slices.ContainsFunc(kept, func(k Piece) bool { return k.replaces(&p) }) {
			loadErr = os.Remove(path)
		}
		err = errors.Join(err, loadErr)
	}
	return err
}
