// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
)

// Begin sets the fold's state to state, as of seq; the fold goes on with the facts after seq. Use it with a state that
// [Fold.Read] showed earlier and the app kept (after a restart, see [Engine.Resume]). Use it also after a
// *backend.CompactedError, with the Seq of the horizon and the state with which the app begins there. Begin returns
// ctx's error if ctx ends first. Inside a read or a step of a fold, Begin of a fold that is being read is an error.
func (f *Fold[S]) Begin(ctx context.Context, state S, seq uint64) error {
	if !f.mu.TryLock() {
		if inside, _ := insideFold(); inside {
			return errors.New("store: begin fold: it is being read, and this is called inside a read or a step of a fold, which may never end: begin it elsewhere")
		}
		if err := f.mu.Lock(ctx); err != nil {
			return fmt.Errorf("store: begin fold: %w", err)
		}
	}
	defer f.mu.Unlock()
	f.state, f.seq = state, seq
	if f.taken != nil {
		*f.taken = taken{}
	}
	return nil
}
