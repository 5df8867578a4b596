// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
)

func TestSuite(t *testing.T) {
	opts := &backendtest.Options{NoPrune: true}
	require.Equal(t, []string{
		"close-in-flight-prune", "closed-prune", "follow-progress-pruned", "page-batches-pruned", "page-end-pruned", "prune", "prune-body",
		"prune-cancelled", "prune-expect", "prune-follow", "prune-horizon", "prune-horizon-follow", "prune-horizon-last", "prune-horizon-loop", "prune-horizon-page", "prune-id", "prune-last", "prune-latest", "prune-missing",
		"prune-snapshot", "reopen-cursor-pruned", "reopen-horizon", "reopen-pruned", "reopen-pruned-last", "reopen-stats", "restored-cursor", "restored-open", "stats-pruned",
	}, backendtest.Skipped(opts), "nothing is skipped but prunes, and what asks for a restore")
	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend {
		l, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}, opts)
}

func Benchmark(b *testing.B) {
	backendtest.Benchmark(b, func(t testing.TB, dir string) backend.Backend { return open(t, dir) })
}
