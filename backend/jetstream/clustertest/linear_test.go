// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/linear"
)

// TestLinearizable lets three processes write to the same keys, and checks that the answers are those of one register a key.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	var history []linear.Write
	var all sync.WaitGroup
	for process := range 3 {
		l := open(t, one(), nameOf(t.Name()))
		defer l.Close()
		for g := range 2 {
			client := 2*process + g
			all.Go(func() {
				err := linear.Race(t.Context(), l, client, 60, rand.New(rand.NewPCG(seed, uint64(client))), func(w linear.Write) {
					mu.Lock()
					history = append(history, w)
					mu.Unlock()
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	refused, err := linear.Check(history)
	require.NoError(t, err)
	t.Logf("%d tries, %d of them refused", len(history), refused)
}
