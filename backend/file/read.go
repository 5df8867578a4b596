package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend. The facts of a page share its memory, so that keeping one fact keeps all
// bytes of its page.
func (l *Log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return pages(l.read(ctx, r, false))
}

// Follow implements backend.Log. It shares memory like Replay.
func (l *Log) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return pages(l.read(ctx, r, true))
}

// ReplayFrames implements wire.Framer.
func (l *Log) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return frames(l.read(ctx, r, false))
}

// FollowFrames implements wire.Framer.
func (l *Log) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return frames(l.read(ctx, r, true))
}

// A run is a page as the log keeps it.
type run struct {
	wire.Frames
	shared bool // the log has the frames in memory too
}

func frames(runs iter.Seq2[run, error]) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		for x, err := range runs {
			if !yield(x.Frames, err) {
				return
			}
		}
	}
}

func pages(runs iter.Seq2[run, error]) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for x, err := range runs {
			p := backend.Page{Through: x.Through}
			if err == nil && x.Facts > 0 {
				p.Facts, err = x.parse()
			}
			if err != nil {
				yield(backend.Page{}, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// parse returns the facts of a run. They are the caller's, so that they do not share memory with the log.
func (x *run) parse() ([]backend.Fact, error) {
	rest := x.Bytes
	if x.shared {
		rest = bytes.Clone(rest)
	}
	facts := make([]backend.Fact, 0, x.Facts)
	var err error
	for len(rest) > 0 && err == nil {
		var body []byte
		body, rest, _ = wire.CutFrame(rest)
		facts, err = wire.ParseGroup(facts, body)
	}
	return facts, err
}

// read yields the part r of the log and, if follow, what is written later.
func (l *Log) read(ctx context.Context, r backend.Range, follow bool) iter.Seq2[run, error] {
	r.Stores = slices.Clone(r.Stores)
	return func(yield func(run, error) bool) {
		rd := reader{log: l, left: r, size: backend.PageSize}
		defer rd.close()
		err := rd.begin(ctx, follow)
		for first := true; err == nil; first = false {
			var changed <-chan struct{}
			if follow {
				changed = l.changed.Changed()
			}
			before := rd.left.After
			var page run
			var end bool
			if page, end, err = rd.next(ctx); err != nil {
				break
			}
			if (first || page.Facts > 0 || page.Through != before) && !yield(page, nil) {
				return
			}
			if rd.done() || end && !follow {
				return
			}
			if end {
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		}
		yield(run{}, fmt.Errorf("file: read after seq %d: %w", rd.left.After.Seq, err))
	}
}

// A reader reads the log from one place on. It is not safe for concurrent use.
type reader struct {
	log  *Log
	left backend.Range // what is left to yield
	size int           // about how many bytes to yield together
	at   uint64        // the log was read through it

	tail   []tailFrame // frames in memory that are not read yet; nil: the reader is not in the tail
	file   fileReader  // File is nil if no file is open
	name   string      // of the file
	last   uint64      // the file has facts through it
	unread []byte      // a frame that was taken and not used
}

// begin checks where the reader begins. A reader that does not follow ends where the log ends now.
func (r *reader) begin(ctx context.Context, follow bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := r.log.state.Load()
	if s.closed {
		return backend.ErrClosed
	}
	if err := r.log.here(); err != nil {
		return err
	}
	id := &r.log.dir.id
	stats := backend.Stats{Log: id.Log, Ancestors: id.Ancestors, LastSeq: s.last}
	seq, err := stats.Resume(r.left.After)
	if err != nil {
		return err
	}
	r.left.After, r.at = backend.Cursor{Log: id.Log, Seq: seq}, seq
	if !follow && (r.left.Through == 0 || r.left.Through > s.last) {
		r.left.Through = s.last
	}
	return nil
}

// done reports whether the reader has read all of its range.
func (r *reader) done() bool { return r.left.Through != 0 && r.left.After.Seq >= r.left.Through }

// maxScan is how many bytes are searched for facts of some stores before a page is yielded, perhaps an empty
// one.
const maxScan = 4 << 20

// next returns the next page. Whole frames share the memory that they were read into. It reports whether the
// log holds no more.
func (r *reader) next(ctx context.Context) (p run, end bool, err error) {
	for scanned := 0; !r.done() && len(p.Bytes) < r.size && scanned < maxScan; {
		got, err := r.take(ctx)
		if err != nil && p.Facts == 0 {
			return run{}, false, err
		}
		if err != nil {
			break // the next call meets it again
		}
		end = got.facts == 0
		scanned += len(got.frames)
		switch through := r.left.Through; {
		case end:
		case r.left.Stores == nil && got.first > r.left.After.Seq && (through == 0 || r.at <= through):
			p.Bytes, p.Facts, p.shared = got.frames, got.facts, r.tail != nil
		default:
			var facts int
			if p.Bytes, facts, _, err = wire.AppendSelected(p.Bytes, got.frames, &r.left); err != nil {
				return run{}, false, err
			}
			p.Facts += facts
		}
		after := &r.left.After.Seq
		if *after = max(*after, r.at); r.left.Through != 0 {
			*after = min(*after, r.left.Through)
		}
		if end || r.left.Stores == nil {
			break
		}
	}
	p.Through = r.left.After
	return p, end, nil
}

// taken are frames that follow each other in memory.
type taken struct {
	frames []byte
	facts  int    // in frames
	first  uint64 // the seq of the first fact
}

// take takes the frames after r.at, about r.size bytes or one frame, and moves r.at behind them. At the end of
// the log there are none.
func (r *reader) take(ctx context.Context) (got taken, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return got, err
		}
		frame, err := r.frame()
		if err == io.EOF && got.facts == 0 {
			if end, err := r.find(); end || err != nil {
				return got, err
			}
			continue
		}
		var first, last uint64
		var facts int
		if err == nil {
			first, last, facts, err = r.seqs(frame)
		}
		if err == nil && last <= r.at {
			continue
		}
		frames, ok := wire.Join(got.frames, frame)
		if got.facts > 0 && (err != nil || !ok || len(frames) > r.size) {
			r.unread = frame
			return got, nil // the next call meets an error again
		}
		if err != nil {
			return got, err
		}
		if got.facts == 0 {
			got.first = first
		}
		got.frames, got.facts = frames, got.facts+facts
		r.at = last
	}
}

// frame returns the next frame at the reader's place; io.EOF if there are no more.
func (r *reader) frame() (frame []byte, err error) {
	switch {
	case r.unread != nil:
		frame, r.unread = r.unread, nil
	case len(r.tail) > 0:
		frame, r.tail = r.tail[0].frame, r.tail[1:]
	case r.file.File != nil:
		return r.file.NextFrame()
	default:
		return nil, io.EOF
	}
	return frame, nil
}

// seqs returns the seqs of the first and the last fact in a frame, and how many it has.
func (r *reader) seqs(frame []byte) (first, last uint64, facts int, err error) {
	body, _, _ := wire.CutFrame(frame)
	if first, last, facts = wire.Seqs(body); facts > 0 {
		return first, last, facts, nil
	}
	all, err := wire.ParseGroup(nil, body)
	if err != nil && r.file.File != nil {
		_, err = r.file.Parse(nil, body) // says where the frame is
	}
	if err != nil {
		return 0, 0, 0, err
	}
	return all[0].Seq, all[len(all)-1].Seq, len(all), nil
}

// find finds the facts after r.at: in the tail, or in a file. It reports whether the log ends there.
func (r *reader) find() (end bool, err error) {
	if r.file.File != nil {
		r.at = max(r.at, r.last) // the last facts of the file may be pruned
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
	r.tail = s.tail.after(r.at)
	if r.at >= s.last || r.tail != nil {
		r.close() // what comes next is in memory first, and the file may be removed
		return r.tail == nil, nil
	}
	f := s.find(r.at)
	r.last = f.Last
	if r.file.File != nil && r.name == f.Name && !f.Gaps {
		r.file.Extend(f.Size) // the same file, which has grown
		return false, nil
	}
	r.close()
	if r.file, err = d.open(f, f.Start(r.at), f.Size); err != nil {
		return false, fmt.Errorf("open a file of the log: %w", err)
	}
	r.name = f.Name
	return false, nil
}

func (r *reader) close() {
	if r.file.File != nil {
		_ = r.file.Close() // it was only read
	}
	r.file = fileReader{}
}
