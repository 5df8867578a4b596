package file

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// recoverActive reads the segment that was last written to, cuts off what was never acknowledged,
// makes the rest durable, and makes it the active segment again, or seals it where it was written
// under another [Sync]. It returns the seq of the next fact.
//
//	pwrite(quarantine/…), fdatasync, fsync(quarantine)   if something is cut off
//	ftruncate(segment)                                   the same
//	fdatasync(segment)
func (l *Log) recoverActive(ctx context.Context, p *piece) (sealed *piece, next uint64, err error) {
	f, err := l.opts.fs.Edit(l.path(p.name))
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if l.active == nil {
			err = errors.Join(err, f.Close())
		}
	}()
	l.report.Read = append(l.report.Read, p.name)
	end, err := l.examine(ctx, f, p, l.seq.Load)
	if l.opts.Repair && errors.Is(err, backend.ErrCorrupt) {
		sealed, err = l.repairActive(p)
		if err != nil {
			return nil, 0, err
		}
		return sealed, sealed.last + 1, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if end.cut != "" {
		if err := l.quarantine(f, p.name, p.size, end.data, end.cut); err != nil {
			return nil, 0, err
		}
	}
	next = p.last + 1
	a := &active{log: l, piece: p, file: f, end: p.size, markers: p.sync != SyncAlways}
	a.ahead.Store(max(p.size, end.data, end.size))
	if end.cut != "" || a.markers || p.sync != l.opts.Sync {
		if err := a.cut(); err != nil {
			return nil, 0, fmt.Errorf("cut segment %s: %w", p.name, err)
		}
	}
	if err := f.Sync(); err != nil {
		return nil, 0, fmt.Errorf("sync segment %s: %w", p.name, err)
	}
	switch {
	case p.sync == l.opts.Sync:
		l.active = a
	case p.facts == 0:
		// A new one takes its place, and its name.
		l.active, err = l.begin(next)
		err = errors.Join(err, f.Close())
	default:
		sealed = p
	}
	return sealed, next, err
}

// An ending is how a segment ends after its last whole frame.
type ending struct {
	size int64  // of the file
	data int64  // after this there are only zeros
	cut  string // why what is left must be cut off; "": nothing is left but zeros
}

// examine reads the facts of the last segment, gives them to do, and completes p.
func (l *Log) examine(ctx context.Context, f file, p *piece, do func(f *backend.Fact)) (ending, error) {
	size, err := f.Size()
	if err != nil {
		return ending{}, err
	}
	r := &frameReader{path: l.path(p.name), file: f, to: size, r: wire.NewReader(sectionOf(f, 0, size), wire.MaxMaxFrame)}
	p.size, p.facts = 0, 0
	var facts []backend.Fact
	for {
		if err := ctx.Err(); err != nil {
			return ending{}, err
		}
		body, err := r.raw()
		if err == io.EOF || errors.Is(err, backend.ErrCorrupt) {
			return l.ending(f, p, size, err)
		}
		if err != nil {
			return ending{}, err
		}
		switch {
		case r.offset == 0: // the header
		case isMarker(body):
			if n, ok := parseMarker(body); !ok || n > p.last {
				return ending{}, r.damage(fmt.Sprintf("a marker %s after the fact with seq %d", body, p.last))
			}
		default:
			if facts, err = r.parse(facts[:0], body); err != nil {
				return ending{}, err
			}
			for i := range facts {
				if facts[i].Seq != p.last+1 {
					return ending{}, r.damage(fmt.Sprintf("a fact with seq %d after %d", facts[i].Seq, p.last))
				}
				p.last++
				do(&facts[i])
			}
			p.mark(facts[0].Seq, r.offset)
			p.facts += uint64(len(facts))
		}
		p.size = r.base + r.r.Offset()
	}
}

// ending judges what follows the last whole frame, which ends at p.size. bad says what is wrong with
// the next one.
func (l *Log) ending(f file, p *piece, size int64, bad error) (ending, error) {
	e := ending{size: size}
	var err error
	if e.data, err = dataEnd(f, p.size, size); err != nil || e.data == p.size {
		return e, err
	}
	reason := "it ends inside a frame"
	var corrupt *backend.CorruptError
	if errors.As(bad, &corrupt) {
		reason = corrupt.Reason
	}
	at, body, err := findFrame(f, p.size+1, e.data, size)
	if err != nil {
		return e, err
	}
	if at < 0 {
		e.cut = reason + ", and no whole frame follows: a write that was under way, and never acknowledged"
		return e, nil
	}
	if p.sync == SyncAlways {
		return e, &backend.CorruptError{Path: l.path(p.name), Offset: p.size, Reason: fmt.Sprintf(
			"%s, and a whole frame follows at byte %d, so that this was no write under way", reason, at)}
	}
	for at >= 0 {
		if through, ok := parseMarker(body); ok && through > p.last {
			return e, &backend.CorruptError{Path: l.path(p.name), Offset: p.size, Reason: fmt.Sprintf(
				"%s, and facts through seq %d were durable, as is noted at byte %d", reason, through, at)}
		}
		if at, body, err = findFrame(f, at+int64(len(body))+wire.FrameOverhead, e.data, size); err != nil {
			return e, err
		}
	}
	e.cut = reason + ", in the part that was not synced yet"
	return e, nil
}

// dataEnd returns the offset after the last byte of f, between two offsets, that is not zero; from
// if there is none.
func dataEnd(f io.ReaderAt, from, to int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for to > from {
		b := buf[:min(int64(len(buf)), to-from)]
		if n, err := f.ReadAt(b, to-int64(len(b))); n < len(b) {
			return 0, fmt.Errorf("read: %w", err)
		}
		for i := len(b); i > 0; i-- {
			if b[i-1] != 0 {
				return to - int64(len(b)-i), nil
			}
		}
		to -= int64(len(b))
	}
	return from, nil
}

// findFrame returns the offset and the body of the first whole frame of JSON, or block, that begins between two
// offsets and ends by a third, -1 if there is none. Inside a frame no other can begin, since the first byte of a length
// is one that JSON does not have, so a frame that is found is one that was written.
func findFrame(f io.ReaderAt, from, to, end int64) (int64, []byte, error) {
	buf := make([]byte, 64<<10)
	for from < to {
		b := buf[:min(int64(len(buf)), end-from)]
		if n, err := f.ReadAt(b, from); n < len(b) {
			return 0, nil, fmt.Errorf("read: %w", err)
		}
		step := min(max(1, len(b)-4), int(min(to-from, 1<<20))) // the last bytes are looked at again, with what follows them
		for i := range step {
			if b[i] > wire.MaxMaxFrame>>24 || len(b)-i < 5 {
				continue
			}
			if c := b[i+4]; c != '{' && c != '[' && c != blockMagic {
				continue
			}
			n := int64(binary.BigEndian.Uint32(b[i:]))
			if n < 2 || n > wire.MaxMaxFrame || from+int64(i)+n+wire.FrameOverhead > end {
				continue
			}
			body, err := frameAt(f, from+int64(i), n)
			if err != nil || body != nil {
				return from + int64(i), body, err
			}
		}
		from += int64(step)
	}
	return -1, nil, nil
}

// frameAt returns the body of the frame at an offset, with a length that was read already; nil if
// it is no frame of JSON, nor a block.
func frameAt(f io.ReaderAt, at, n int64) ([]byte, error) {
	ends := make([]byte, 6) // the first byte of the body, then the last one and the CRC
	if n, err := f.ReadAt(ends[:1], at+4); n < 1 {
		return nil, fmt.Errorf("read: %w", err)
	}
	if n, err := f.ReadAt(ends[1:], at+4+n-1); n < 5 {
		return nil, fmt.Errorf("read: %w", err)
	}
	if ends[0] != blockMagic && ends[1] != '}' && ends[1] != ']' && ends[1] != ' ' {
		return nil, nil
	}
	body := make([]byte, n)
	if n, err := f.ReadAt(body, at+4); n < len(body) {
		return nil, fmt.Errorf("read: %w", err)
	}
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(ends[2:]) {
		return nil, nil
	}
	return body, nil
}
