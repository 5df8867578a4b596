// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
)

// Frames is a [backend.Page] as the log keeps it: whole frames, each of one fact or of several.
type Frames struct {
	// Bytes has the frames, one after the other; empty for an empty page. It is shared and immutable: copy it before
	// modifying it.
	Bytes []byte

	Facts   int            // the number of facts in Bytes
	Through backend.Cursor // the log was read through here
	Kept    bool           // the log keeps Bytes in memory, so that facts must not share it

	Horizons map[string]backend.Horizon // as in a Page; nil: as before
}

// Pages decodes frames. A frame that is not facts ends the loop with a *backend.CorruptError that names path; the facts
// before the frame come in a page before the error. Frames whose facts the reader knows ([backend.Range.Known]) are left
// out.
func Pages(path string, known func() uint64, frames iter.Seq2[Frames, error]) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for f, err := range frames {
			p := backend.Page{Through: f.Through, Horizons: f.Horizons}
			if err == nil {
				if known != nil {
					f.drop(known())
				}
				if p.Facts, err = f.Parse(); err != nil {
					err = &backend.CorruptError{Path: path, Reason: "a frame whose CRC is right: " + err.Error()}
				}
			}
			if n := len(p.Facts); err != nil && n > 0 {
				p.Through.Seq = p.Facts[n-1].Seq
				if !yield(p, nil) {
					return
				}
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

// Parse returns the facts of f, which the caller then owns. If a frame is not facts, it returns the facts before that frame
// and an error. The facts share f's memory, or share a copy of it if f is Kept.
func (f *Frames) Parse() (facts []backend.Fact, err error) {
	rest := f.Bytes
	if f.Kept {
		rest = bytes.Clone(rest)
	}
	if f.Facts > 0 {
		facts = make([]backend.Fact, 0, f.Facts)
	}
	for len(rest) > 0 && err == nil {
		var body []byte
		body, rest, _ = CutFrame(rest)
		facts, err = ParseGroup(facts, body)
	}
	return facts, err
}

// drop removes frames from the front whose facts all have a seq of at most through.
func (f *Frames) drop(through uint64) {
	for f.Facts > 0 {
		body, rest, _ := CutFrame(f.Bytes)
		_, last, n := Seqs(body)
		if n == 0 || last > through {
			return
		}
		f.Bytes, f.Facts = rest, f.Facts-n
	}
}

// A Framer is a log that yields the frames in which it keeps its facts, so that they can be sent without being
// encoded again. It is optional, and serves only speed: its methods are Replay and Follow in frames, with the same facts,
// batches, errors and rules of pages.
//
// A type that embeds a concrete log and changes the facts that can be read must hide both methods; [backend.Intercept]
// does.
type Framer interface {
	ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[Frames, error]
	FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[Frames, error]
}

// AppendSelected appends the facts of frames that are in r to dst, as frames. It returns the number of these facts, and the
// seq of the last fact of frames, selected or not. If all facts of a frame are in r, it copies the frame. Otherwise it puts
// the selected facts into a new frame, without parsing their values. It decodes frames that this codec did not write. A
// frame that is not facts is a *backend.InvalidError.
func AppendSelected(dst, frames []byte, r *backend.Range) (out []byte, facts int, last uint64, err error) {
	var kept [][]byte
	for rest := frames; len(rest) > 0; {
		frame := rest
		body, next, ok := CutFrame(rest)
		if !ok {
			return dst, facts, last, &backend.InvalidError{Field: "frames", Reason: "they end inside a frame"}
		}
		frame, rest = frame[:len(frame)-len(next)], next
		n := 0
		kept = kept[:0]
		err := eachBody(body, func(fact []byte) error {
			seq, store, err := nameOf(fact)
			if err != nil {
				return err
			}
			n++
			last = seq
			if seq > r.After.Seq && (r.Through == 0 || seq <= r.Through) && r.Has(store) {
				kept = append(kept, fact)
			}
			return nil
		})
		if err != nil {
			return dst, facts, last, err
		}
		facts += len(kept)
		switch len(kept) {
		case 0:
		case n:
			dst = append(dst, frame...)
		default:
			start := len(dst)
			dst = CloseFrame(AppendBodies(OpenFrame(dst), kept), start)
		}
	}
	return dst, facts, last, nil
}

// eachBody calls f with the body of each fact in a frame's body.
func eachBody(body []byte, f func(fact []byte) error) error {
	if len(body) == 0 || body[0] != '[' {
		return f(body)
	}
	if !has(body, 0, "[\n") || !has(body, len(body)-2, "\n]") {
		facts, err := ParseGroup(nil, body)
		for i := 0; i < len(facts) && err == nil; i++ {
			err = f(AppendFact(nil, &facts[i]))
		}
		return err
	}
	for rest := body[2 : len(body)-1]; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		fact := rest[:end]
		if rest = rest[end+1:]; len(rest) > 0 {
			fact = bytes.TrimSuffix(fact, []byte{','})
		}
		if err := f(fact); err != nil {
			return err
		}
	}
	return nil
}

// nameOf returns the seq and the store of a fact. If this codec wrote the fact, nameOf reads no more than these. The store
// shares the fact's memory.
func nameOf(fact []byte) (seq uint64, store string, err error) {
	if seq = Seq(fact); seq > 0 {
		i := numberEnd(fact, len(`{"seq":`))
		if _, after, ok := ownText(fact, i, `,"id":"`); ok {
			if store, _, ok = ownText(fact, after, `,"store":"`); ok {
				return seq, store, nil
			}
		}
	}
	f, err := ParseFact(fact)
	return f.Seq, f.Store, err
}

// FramerOf returns log itself if it is a Framer. Otherwise it returns a Framer that encodes the pages of log, each
// page as one frame, since a page does not say where its batches end. A page that is too large for a frame ends the loop
// with backend.ErrTooLarge.
func FramerOf(log backend.Log) Framer {
	if f, ok := log.(Framer); ok {
		return f
	}
	return pageFramer{log}
}

type pageFramer struct{ log backend.Log }

func (f pageFramer) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[Frames, error] {
	return framed(f.log.Replay(ctx, r))
}

func (f pageFramer) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[Frames, error] {
	return framed(f.log.Follow(ctx, r))
}

func framed(pages iter.Seq2[backend.Page, error]) iter.Seq2[Frames, error] {
	return func(yield func(Frames, error) bool) {
		for p, err := range pages {
			f := Frames{Facts: len(p.Facts), Through: p.Through, Horizons: p.Horizons}
			if err == nil && len(p.Facts) > 0 {
				f.Bytes = CloseFrame(AppendGroup(OpenFrame(nil), p.Facts), 0)
				if n := len(f.Bytes) - FrameOverhead; n > MaxMaxFrame {
					f, err = Frames{}, fmt.Errorf("%w: the facts from seq %d through %d take %d bytes, which no frame holds",
						backend.ErrTooLarge, p.Facts[0].Seq, p.Facts[len(p.Facts)-1].Seq, n)
				}
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}
