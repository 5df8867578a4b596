// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend. The facts of a page share memory, so that keeping one fact keeps all bytes of its
// page.
func (l *Log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages(l.dir.path, r.Known, l.ReplayFrames(ctx, r))
}

// Follow implements backend.Log. It shares memory like Replay.
func (l *Log) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages(l.dir.path, r.Known, l.FollowFrames(ctx, r))
}

// ReplayFrames implements wire.Framer.
func (l *Log) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return wire.Loop(ctx, "file", r, false, l.reader)
}

// FollowFrames implements wire.Framer.
func (l *Log) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return wire.Loop(ctx, "file", r, true, l.reader)
}

func (l *Log) reader() wire.Source { return &reader{log: l, size: backend.PageSize} }

// A reader reads the log forward from one position. It is not safe for concurrent use.
type reader struct {
	log  *Log
	size int    // about the number of bytes to yield together
	at   uint64 // the seq through which the log was read

	tail   []tailFrame // frames in memory that are not read yet; nil: the reader is not in the tail
	file   fileReader  // File is nil if no file is open
	name   string      // of the file
	last   uint64      // the last seq of the file
	unread []byte      // a frame that was read but not yielded yet
	room   backend.Room

	pruned   uint64          // of the state whose horizons were last returned
	horizons format.Horizons // of the state that was used last; nil: they were already returned
}

// Begin implements wire.Source.
func (r *reader) Begin() (backend.Stats, error) {
	s := r.log.state.Load()
	if s.closed {
		return backend.Stats{}, backend.ErrClosed
	}
	if err := r.log.here(); err != nil {
		return backend.Stats{}, err
	}
	id := &r.log.dir.id
	r.pruned = s.pruned
	return backend.Stats{Log: id.Log, Ancestors: id.Ancestors, LastSeq: s.last, Horizons: s.horizons}, nil
}

// Changed implements wire.Source.
func (r *reader) Changed() <-chan struct{} { return r.log.changed.Changed() }

// Take implements wire.Source. It returns frames that are consecutive in memory: about r.size bytes, or one larger frame.
func (r *reader) Take(ctx context.Context, after uint64) (wire.Frames, error) {
	got, err := r.take(ctx, after)
	if r.tail != nil {
		r.tail, r.unread = nil, nil // a slow reader must not keep them in memory
	}
	r.log.noteDamage(err)
	return got, err
}

// errLater ends a page before frames that must go on the next page.
var errLater = errors.New("file: the page ends before a large frame")

// hold declares that the reader will hold bytes more. Large frames begin a new page.
func (r *reader) hold(ctx context.Context, page *wire.Frames, bytes int) error {
	switch {
	case page.Facts == 0:
		return r.room.Hold(ctx, bytes)
	case bytes >= backend.LargePage:
		return errLater
	}
	return nil
}

func (r *reader) take(ctx context.Context, after uint64) (got wire.Frames, err error) {
	if d := r.log.dir; d.closeFiles {
		d.reading.RLock()
		defer d.reading.RUnlock()
		defer func() {
			if r.file.File != nil {
				r.unread = nil // the next call reads it again, together with the following frames
			}
			r.Close()
		}()
	}
	r.at = max(r.at, after)
	hold := func(bytes int) error { return r.hold(ctx, &got, bytes) }
	if err := hold(r.held()); err != nil {
		return got, err
	}
	for {
		got.Through.Seq = r.at
		if err := ctx.Err(); err != nil {
			return got, err
		}
		frame, err := r.frame(hold)
		if err == io.EOF && got.Facts == 0 {
			end, err := r.find()
			if r.horizons != nil {
				got.Horizons, r.horizons = r.horizons, nil
			}
			if end || err != nil {
				got.Through.Seq = r.at
				return got, err
			}
			continue
		}
		var last uint64
		var facts int
		if err == nil {
			last, facts, err = r.seqs(frame)
		}
		if err == nil && last <= r.at {
			continue
		}
		frames, ok := wire.Join(got.Bytes, frame)
		if got.Facts > 0 && (err != nil || !ok || len(frames) > r.size) {
			r.unread = frame
			return got, nil // the next call returns the error
		}
		if err != nil {
			return got, err
		}
		got.Bytes, got.Facts, got.Kept = frames, got.Facts+facts, r.tail != nil
		r.at = last
	}
}

// held returns the number of bytes that the reader holds beside its page.
func (r *reader) held() int {
	if r.file.File == nil {
		return len(r.unread)
	}
	return max(len(r.unread), r.file.Held())
}

// frame returns the next frame at the reader's position; io.EOF if there are no more. If hold returns an error, the
// position does not change.
func (r *reader) frame(hold func(bytes int) error) (frame []byte, err error) {
	switch {
	case r.unread != nil:
		frame, r.unread = r.unread, nil
	case len(r.tail) > 0:
		frame = r.tail[0].frame
		if err := hold(len(frame)); err != nil {
			return nil, err
		}
		r.tail = r.tail[1:]
	case r.file.File != nil:
		r.file.Room = hold
		return r.file.NextFrame()
	default:
		return nil, io.EOF
	}
	return frame, nil
}

// seqs returns the seq of the last fact in a frame, and the number of its facts.
func (r *reader) seqs(frame []byte) (last uint64, facts int, err error) {
	body, _, _ := wire.CutFrame(frame)
	if _, last, facts = wire.Seqs(body); facts > 0 {
		return last, facts, nil
	}
	all, err := wire.ParseGroup(nil, body)
	if err != nil && r.file.File != nil {
		_, err = r.file.Parse(nil, body) // for an error with the frame's offset
	}
	if err != nil {
		return 0, 0, err
	}
	return all[len(all)-1].Seq, len(all), nil
}

// find finds the facts after r.at, in the tail or in a file. It reports whether the log ends at r.at.
func (r *reader) find() (end bool, err error) {
	if r.file.File != nil {
		r.at = max(r.at, r.last) // the last facts of the file may have been pruned
	}
	d := r.log.dir
	d.names.RLock()
	defer d.names.RUnlock()
	s := r.log.state.Load()
	if s.closed {
		return false, backend.ErrClosed
	}
	if s.gone != nil {
		return false, s.gone
	}
	if s.pruned != r.pruned {
		r.pruned, r.horizons = s.pruned, s.horizons
	}
	r.tail = s.tail.after(r.at)
	if r.at >= s.last || r.tail != nil {
		r.Close() // the next frames are in memory, and the file may be removed
		return r.tail == nil, nil
	}
	f := s.find(r.at)
	r.last = f.Last
	if r.file.File != nil && r.name == f.Name && !f.Gaps {
		r.file.Extend(f.Size) // the same file, which has grown
		return false, nil
	}
	r.Close()
	if r.file, err = d.open(f, f.Start(r.at), f.Size); err != nil {
		if gone := r.log.here(); gone != nil { // the whole directory is gone
			return false, gone
		}
		return false, fmt.Errorf("open a file of the log: %w", err)
	}
	r.name = f.Name
	return false, nil
}

// Close implements wire.Source.
func (r *reader) Close() {
	if r.file.File != nil {
		_ = r.file.Close() // it is only read
	}
	r.file = fileReader{}
}
