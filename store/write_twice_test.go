// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestBatchWithOneIDTwice writes a batch that has one fact twice: the log holds it once, and the engine shows it once.
func TestBatchWithOneIDTwice(t *testing.T) {
	e := openEngine(t, newLog(t))
	f := backend.Fact{ID: "same", Store: "s", Key: "k", Value: []byte("1")}
	_, err := e.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{f, f}})
	require.NoError(t, err)
	n := 0
	for _, err := range e.Facts(t.Context(), "s", 0) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
}
