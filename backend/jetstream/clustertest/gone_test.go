// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/gone"
	"github.com/igniter-store/igniter/store"
)

// TestGoneServer stops the server and starts it again: the health of an engine shows both, and a waiting write succeeds.
func TestGoneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, dir, nil)
	address := s.Addr()
	l := open(t, s.ClientURL(), "gone")
	defer l.Close()
	e, err := store.Open(t.Context(), l, store.Options{})
	require.NoError(t, err)
	defer e.Close()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	stats, _ := l.Stats(done)
	require.True(t, stats.Connection.Up)
	stopServer(s)
	require.Eventually(t, func() bool { return !e.Health().Healthy() }, waitFor, 10*time.Millisecond)
	require.ErrorIs(t, e.Health().Err, backend.ErrUnavailable)
	gone.Check(t, l, address.String())
	written := make(chan error, 1)
	go func() {
		_, err := e.Write(t.Context(), factOf("a"))
		written <- err
	}()
	s = restart(t, dir, address)
	require.NoError(t, <-written)
	require.Eventually(t, func() bool { return e.Health().Healthy() }, waitFor, 10*time.Millisecond)
	require.Equal(t, uint64(2), e.Health().Connection.Connects)
	stopServer(s)
}
