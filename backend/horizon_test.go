// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestHorizonOfAllStores checks that the horizon of all stores hides facts that a store's own horizon does not.
func TestHorizonOfAllStores(t *testing.T) {
	all, own := backend.Horizon{Seq: 7, Time: time.Unix(7, 0)}, backend.Horizon{Seq: 3, Time: time.Unix(9, 0)}
	s := backend.Stats{Horizons: map[string]backend.Horizon{backend.AllStores: all, "a": own}}
	require.Equal(t, backend.Horizon{Seq: 7, Time: time.Unix(9, 0)}, s.Horizon("a"))
	require.Equal(t, all, s.Horizon("b"))
	for _, stores := range [][]string{nil, {"a"}, {"b"}} {
		require.ErrorIs(t, s.Whole(6, stores), backend.ErrCompacted)
		require.ErrorContains(t, s.Whole(6, stores), "the past of all stores before seq 7")
		require.NoError(t, s.Whole(7, stores))
	}
	require.NoError(t, s.Whole(6, []string{}))
}
