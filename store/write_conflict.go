// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// conflicted returns the error of a batch that the log refused. If the engine still shows the expected fact as the
// key's latest one, other processes have written or pruned facts that the engine does not know. Then conflicted first
// reads these facts. Otherwise a caller that reads the key and tries again would be refused again.
func (e *Engine) conflicted(ctx context.Context, expected []backend.Expect, refused error) error {
	var c *backend.ConflictError
	if !errors.As(refused, &c) || !e.Loaded(c.Store) {
		return refused
	}
	if access := e.log.Features().Stores; access != nil && !slices.Contains(access, c.Store) {
		return refused
	}
	stale := func() bool {
		latest := e.Latest(c.Store, c.Key).ID()
		return slices.ContainsFunc(expected, func(x backend.Expect) bool { return x.Store == c.Store && x.Key == c.Key && x.ID == latest })
	}
	if !stale() {
		return refused
	}
	err := e.Sync(ctx)
	if err == nil && stale() { // the fact was pruned without a receipt
		e.opts.Logger.Warn("facts were pruned from the log without a receipt; their store is read again", zap.String("store", c.Store))
		err = e.reload(ctx, nil, c.Store)
		if err == nil && stale() {
			err = fmt.Errorf("the log says that its latest fact is %q, but does not show it: try again, and if that goes on, check the log", c.Latest)
		}
	}
	if err != nil {
		return fmt.Errorf("store: nothing is written; read what others did to key %q in store %q: %w", c.Key, c.Store, err)
	}
	return refused
}
