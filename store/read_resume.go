// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// Cursor returns the engine's position: its log, and the [Engine.Head]. A consumer that stores its progress stores the
// cursor's Log with the seq of its last record, see [Engine.Resume].
func (e *Engine) Cursor() backend.Cursor { return backend.Cursor{Log: e.cursor().Log, Seq: e.Head()} }

// Resume returns the seq to pass to Tail, Watch or Facts for a consumer whose progress is c: an earlier [Engine.Cursor]
// of this log, or of a log from which this one was restored. If the log lacks facts that the consumer has read, because
// it was restored to an earlier seq or is another log, the error is a *backend.DivergedError. Its Common is the seq
// through which the consumer's work still holds.
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

// reachable returns an error if the log does not reach after, because it was restored to an earlier seq or is another
// log, or if the engine has ended before after. A loop that waited for the seq would skip all facts up to it.
func (e *Engine) reachable(ctx context.Context, after uint64) error {
	if after == 0 || after <= e.Head() {
		return nil
	}
	if e.ended.Load() && !e.reentered() {
		return e.Err() // the engine has no facts after the head
	}
	if err := e.Sync(ctx); err != nil {
		return err
	}
	if head := e.Head(); after > head {
		return &backend.DivergedError{Cursor: backend.Cursor{Seq: after}, Log: e.cursor().Log, Common: head}
	}
	return nil
}
