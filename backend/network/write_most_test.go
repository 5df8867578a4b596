// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
)

// TestMostFacts writes the most facts that a batch can have: a server takes the same batches as other backends, within its
// limits of memory.
func TestMostFacts(t *testing.T) {
	t.Parallel()
	if raceEnabled && !soak() {
		t.Skip("one goroutine after the other handles a batch, which takes long with the race detector: run it without, or with IGNITER_SOAK")
	}
	s := start(t, server.Options{})
	c := dial(t, s)
	defer func() { require.NoError(t, c.Close()) }()
	facts := make([]backend.Fact, backend.MaxBatch)
	for i := range facts {
		facts[i] = numbered(i)
		facts[i].ValueHash = "given" // hashing would take long
	}
	w := c.Write(t.Context(), backend.Batch{Facts: facts})[0]
	require.NoError(t, w.Err)
	require.Len(t, w.Facts, len(facts))
}
