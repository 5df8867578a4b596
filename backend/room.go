// SPDX-License-Identifier: Apache-2.0

package backend

import "context"

// LargePage is from how many bytes on a page is large, see [WithRoom].
const LargePage = 2 * PageSize

type roomKey struct{}

// WithRoom returns a copy of ctx for loops over a log (Replay, Follow) that count their memory. A log calls room with the bytes that
// a loop is about to hold, before it reads them if it can know that, when a page is large; with 0 it has let go of them. room may wait until
// others have let go of memory. Its error ends the loop. It is called by the goroutine of the loop, between two pages. If room is nil,
// nothing is counted, as without WithRoom.
func WithRoom(ctx context.Context, room func(bytes int) error) context.Context {
	return context.WithValue(ctx, roomKey{}, room)
}

// A Room is what a loop over a log holds of large pages, for authors of logs. The zero Room holds nothing.
type Room struct{ held int }

// Hold says that the loop with a context is about to hold some bytes now, of which less than [LargePage] count for nothing. If it returns
// an error, the loop holds what it held before, and must not read them.
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
