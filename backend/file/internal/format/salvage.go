// SPDX-License-Identifier: Apache-2.0

package format

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// A Stretch is a part of a file that may be damaged: one whole frame, or the bytes between two of them.
type Stretch struct {
	From, To int64
	Body     []byte // of the frame; nil if none exists
	Bad      string // the reason why the bytes are damaged; "" for a frame, and for zeros at the end of the file
	Last     bool   // no frame follows the bytes
}

// Stretches yields the whole content of a file of a given size, also of a damaged one. bodies is LogBodies or IndexBodies:
// the frames to search for after damage. Damage is not an error: it is a Stretch. An error ends the loop.
func Stretches(ctx context.Context, f io.ReaderAt, size int64, bodies string) iter.Seq2[Stretch, error] {
	return func(yield func(Stretch, error) bool) {
		if err := stretches(ctx, f, size, bodies, func(s Stretch) bool { return yield(s, nil) }); err != nil {
			yield(Stretch{}, err)
		}
	}
}

func stretches(ctx context.Context, f io.ReaderAt, size int64, bodies string, yield func(Stretch) bool) error {
	end, err := DataEnd(ctx, f, 0, size)
	if err != nil {
		return err
	}
	search := NewSearch(f, 0, size, bodies)
	at := int64(0)
	for at < end {
		r := NewReader(f, "", false, at, size)
		body, err := r.Raw()
		for ; err == nil; body, err = r.Raw() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(Stretch{From: r.Offset(), To: r.End(), Body: body}) {
				return nil
			}
		}
		at = r.Offset()
		var corrupt *backend.CorruptError
		if err == io.EOF || errors.As(err, &corrupt) && at >= end {
			break
		}
		if corrupt == nil {
			return err
		}
		next, _, err := search.Next(ctx, at+1, end)
		if err != nil {
			return err
		}
		last := next < 0
		if last {
			next = end
		}
		if !yield(Stretch{From: at, To: next, Bad: corrupt.Reason, Last: last}) {
			return nil
		}
		at = next
	}
	if at < size {
		yield(Stretch{From: at, To: size, Last: true})
	}
	return nil
}

// DataEnd returns the offset after the last byte between two offsets of f that is not zero; from if none exists.
func DataEnd(ctx context.Context, f io.ReaderAt, from, to int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for to > from {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		b := buf[:min(int64(len(buf)), to-from)]
		if err := vfs.ReadFull(f, b, to-int64(len(b))); err != nil {
			return 0, err
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
