package store

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// conflicted looks into why the log refused a batch, and returns what to report. Where the engine
// shows as a key's latest fact the very one that was expected, others have written or pruned what it
// does not know of. It reads that, so that whoever reads again and decides anew is not refused for
// ever.
func (e *Engine) conflicted(ctx context.Context, expected []backend.Expect, refused error) error {
	var c *backend.ConflictError
	if !errors.As(refused, &c) || !e.Loaded(c.Store) {
		return refused
	}
	stale := func() bool {
		latest := e.Latest(c.Store, c.Key).ID()
		for _, x := range expected {
			if x.Store == c.Store && x.Key == c.Key && x.ID == latest {
				return true
			}
		}
		return false
	}
	if !stale() {
		return refused
	}
	err := e.catchUp(ctx)
	if err == nil && stale() {
		err = e.reread(ctx, c.Store)
		if err == nil && stale() {
			err = fmt.Errorf("the log says that its latest fact is %q, but does not show it: try again, and if that goes on, check the log", c.Latest)
		}
	}
	if err != nil {
		return fmt.Errorf("store: nothing is written; read what others did to key %q in store %q: %w", c.Key, c.Store, err)
	}
	return refused
}

// reread drops from memory what the log no longer holds of a store: facts that were pruned without a
// receipt.
func (e *Engine) reread(ctx context.Context, store string) error {
	s, through := e.namespace(store), e.Head()
	gone, n := map[uint64]bool{}, 0
	held := func(before uint64) bool {
		return s != nil && n < int(s.count.Load()) && s.nth(n).Seq() < before
	}
	for f, err := range backend.ReplayStores(ctx, e.log, 0, store) {
		if err != nil {
			return err
		}
		if f.Seq > through {
			break
		}
		for ; held(f.Seq); n++ {
			gone[s.nth(n).Seq()] = true
		}
		if held(f.Seq + 1) {
			n++
		}
	}
	for ; held(through + 1); n++ {
		gone[s.nth(n).Seq()] = true
	}
	if len(gone) > 0 {
		e.opts.Logger.Warn("facts were pruned from the log without a receipt; they are dropped now", zap.String("store", store), zap.Int("facts", len(gone)))
		e.mu.Lock()
		e.replace(e.namespace(store).without(func(r Record) bool { return gone[r.Seq()] }, false))
		e.mu.Unlock()
	}
	return nil
}
