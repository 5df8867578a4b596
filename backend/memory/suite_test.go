// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/backend/memory"
)

func open(testing.TB, string) backend.Backend { return memory.New(memory.Options{}) }

func TestSuite(t *testing.T) {
	opts := &backendtest.Options{Volatile: true}
	require.Equal(t, []string{
		"page-batches-reopened", "reopen", "reopen-batch", "reopen-causation", "reopen-cursor", "reopen-cursor-pruned", "reopen-horizon", "reopen-id",
		"reopen-id-of-stores", "reopen-ids-all", "reopen-in-flight", "reopen-killed", "reopen-pruned", "reopen-pruned-last", "reopen-seq", "reopen-snapshot", "reopen-stats", "reopen-stats-last-time", "reopen-transaction-time",
		"restored-cursor", "restored-open",
	}, backendtest.Skipped(opts), "nothing is skipped but what needs the log to outlive Close")
	backendtest.Run(t, open, opts)
}

func Benchmark(b *testing.B) { backendtest.Benchmark(b, open) }
