// SPDX-License-Identifier: Apache-2.0

package backend

import "context"

// LargePage is the least number of bytes of a large page, see [WithRoom].
const LargePage = 2 * PageSize

type roomKey struct{}

// WithRoom returns a copy of ctx for loops over a log (Replay, Follow) that count their memory. When a page is large, the
// log calls room with the bytes of the page, before reading them if it knows their number; it calls room with 0 when the
// loop holds them no longer. room may wait until other loops free memory. Its error ends the loop. The goroutine of the
// loop calls it, between two pages. If room is nil, nothing is counted, as without WithRoom.
func WithRoom(ctx context.Context, room func(bytes int) error) context.Context {
	return context.WithValue(ctx, roomKey{}, room)
}

// A Room counts the bytes of large pages that a loop over a log holds, for authors of logs. The zero Room holds nothing.
type Room struct{ held int }

// Hold declares the bytes that the loop with ctx is about to hold; fewer than [LargePage] bytes count as 0. If it returns
// an error, the loop must not read them, and still holds the bytes that it held before.
func (r *Room) Hold(ctx context.Context, bytes int) error {
	if bytes < LargePage {
		bytes = 0
	}
	if bytes == r.held {
		return nil
	}
	if room, _ := ctx.Value(roomKey{}).(func(int) error); room != nil {
		if err := room(bytes); err != nil {
			return err
		}
	}
	r.held = bytes
	return nil
}
