// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/jetstream"
	"github.com/igniter-store/igniter/internal/linear"
)

// raced names a log to the processes of TestLinearizable.
const raced = "CLUSTERTEST_RACED"

// writesEach is the number of writes of a client of TestLinearizable.
const writesEach = 30

func race() error {
	ctx := context.Background()
	l, err := jetstream.Open(ctx, jetstream.Options{URL: os.Getenv(urlEnv), Log: os.Getenv(raced), Replicas: 1})
	if err != nil {
		return err
	}
	return errors.Join(linear.Work(ctx, l, writesEach), l.Close())
}

// TestLinearizable lets three processes write to the same keys, and checks that each key behaves as one linearizable
// register.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	one() // its URL is in the environment
	racing, err := linear.Start(t.Context(), 3, raced+"="+nameOf(t.Name()))
	require.NoError(t, err)
	writes, err := racing.Wait()
	require.NoError(t, err)
	require.Len(t, writes, 3*linear.Clients*writesEach)
	refused, err := linear.Check(writes)
	require.NoError(t, err)
	t.Logf("%d tries, %d of them refused", len(writes), refused)
}
