// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// TestFailure: --exit-on-failure ends the service once the log says that it has failed or is another one, and not before.
func TestFailure(t *testing.T) {
	var say atomic.Pointer[backend.Stats]
	var fail error
	asked := make(chan struct{})
	log := backend.Intercept(memory.New(memory.Options{}), backend.Hooks{Stats: func(ctx context.Context, next func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
		stats, err := next(ctx)
		if s := say.Load(); s != nil {
			if fail != nil {
				return backend.Stats{}, fail
			}
			stats.Failed = s.Failed
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		return stats, err
	}})
	ended := make(chan error)
	begin := func(ctx context.Context) { go func() { ended <- failure(ctx, log, time.Millisecond) }() }
	begin(t.Context())
	<-asked
	<-asked
	say.Store(&backend.Stats{Failed: "sync: input/output error"})
	err := <-ended
	require.ErrorIs(t, err, backend.ErrFailed)
	require.ErrorContains(t, err, "sync: input/output error")
	fail = &backend.DivergedError{}
	begin(t.Context())
	require.ErrorIs(t, <-ended, backend.ErrDiverged)
	say.Store(nil)
	ctx, cancel := context.WithCancel(t.Context())
	begin(ctx)
	<-asked
	cancel()
	require.NoError(t, <-ended)
	require.NoError(t, log.Close())
	begin(t.Context())
	require.NoError(t, <-ended, "closed is not failed")
}
