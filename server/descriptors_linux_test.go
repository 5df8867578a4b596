// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// limitDescriptors lets the process have n file descriptors.
func limitDescriptors(t testing.TB, n int) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = uint64(n)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}

// spareDescriptors returns the number of file descriptors that the process may still open, less a few.
func spareDescriptors(t testing.TB) int {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	return int(min(limit.Cur, 1<<20)) - openDescriptors(t) - 100
}
