// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// Cursor returns where the engine stands: its log, and the [Engine.Head]. Consumers that store how far they have come
// store the cursor's Log with the seq of their last record, see [Engine.Resume].
func (e *Engine) Cursor() backend.Cursor { return backend.Cursor{Log: e.cursor().Log, Seq: e.Head()} }

// Resume returns the seq after which a consumer goes on that has come as far as c, an earlier [Engine.Cursor] of this
// log, of the log that it was restored from, or of one before that: for Tail, Watch and Facts. If the log does not have
// what the consumer has read, because it was restored to an earlier seq or is another one, the error is a
// *backend.DivergedError, whose Common says through where the consumer's work still holds.
func (e *Engine) Resume(ctx context.Context, c backend.Cursor) (after uint64, err error) {
	stats, err := e.log.Stats(ctx)
	if err == nil {
		after, err = stats.Resume(c)
	}
	if err != nil {
		return 0, fmt.Errorf("store: resume after %s: %w", c, err)
	}
	return after, nil
}

// reachable returns an error if the log does not reach a seq that a consumer has come to: it was restored to an earlier
// one, or is another log; or if the engine has ended before it. Waiting for it would pass over all facts up to there.
func (e *Engine) reachable(ctx context.Context, after uint64) error {
	if after == 0 || after <= e.Head() {
		return nil
	}
	if e.ended.Load() && !e.reentered() {
		return e.Err() // it has nothing of what came after the head
	}
	if err := e.Sync(ctx); err != nil {
		return err
	}
	if head := e.Head(); after > head {
		return &backend.DivergedError{Cursor: backend.Cursor{Seq: after}, Log: e.cursor().Log, Common: head}
	}
	return nil
}
