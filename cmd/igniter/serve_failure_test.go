// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// TestFailure: --exit-on-failure ends the service once the log says that it has failed, and not before.
func TestFailure(t *testing.T) {
	failed := ""
	log := backend.Intercept(memory.New(memory.Options{}), backend.Hooks{Stats: func(ctx context.Context, next func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
		stats, err := next(ctx)
		stats.Failed = failed
		return stats, err
	}})
	require.NoError(t, failure(t.Context(), log))
	failed = "sync: input/output error"
	err := failure(t.Context(), log)
	require.ErrorIs(t, err, backend.ErrFailed)
	require.ErrorContains(t, err, failed)
	require.NoError(t, log.Close())
	require.NoError(t, failure(t.Context(), log), "closed is not failed")
}
