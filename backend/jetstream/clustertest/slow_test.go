// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// TestSlowNetwork writes and reads a fact over networks that need longer for it than the log waits for an answer or for a
// heartbeat.
func TestSlowNetwork(t *testing.T) {
	t.Parallel()
	name := nameOf(t.Name())
	over := func(rate int64) backend.Log {
		p := newProxy(t, one())
		p.rate.Store(rate)
		l, err := jetstream.Open(context.WithoutCancel(t.Context()), jetstream.Options{URL: p.url(), Log: name, Replicas: 1})
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		return l
	}
	begun := time.Now()
	f, err := over(64<<10).WriteFact(t.Context(), sized("large", 384<<10))
	require.NoError(t, err)
	t.Logf("written in %s", time.Since(begun))
	begun = time.Now()
	facts, err := replay(t, over(128<<10))
	require.NoError(t, err)
	require.Equal(t, []backend.Fact{f}, facts)
	t.Logf("opened and read in %s", time.Since(begun))
}
