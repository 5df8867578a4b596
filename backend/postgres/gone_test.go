// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/gone"
)

// TestGoneServer stops the server and starts it again: a follower notices, and Stats reports it without asking the server.
func TestGoneServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	l := open(t, Options{Address: s.Address("postgres", "postgres")})
	defer l.Close()
	ctx, end := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() {
		var last error
		for _, err := range l.Follow(ctx, backend.Range{}) {
			last = err
		}
		followed <- last
	}()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	up := func(want bool) func() bool {
		return func() bool {
			stats, err := l.Stats(done)
			require.ErrorIs(t, err, context.Canceled)
			require.NotNil(t, stats.Connection)
			return stats.Connection.Up == want
		}
	}
	require.True(t, up(true)())
	awaitThat(t, l.alarm.Load)
	s.Stop(syscall.SIGQUIT)
	awaitThat(t, up(false))
	gone.Check(t, l, s.Socket)
	require.NoError(t, s.Start())
	awaitThat(t, up(true))
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(2), stats.Connection.Connects)
	require.NotEmpty(t, stats.Connection.LastError)
	end()
	require.ErrorIs(t, <-followed, context.Canceled)
}
