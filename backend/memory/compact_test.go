// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestSnapshotThrough writes snapshots through a seq inside the log: later facts stay in their chunks.
func TestSnapshotThrough(t *testing.T) {
	l := New(Options{})
	defer l.Close()
	for n := range 300 {
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: "s", Key: "k", Value: bytes.Repeat([]byte("7"), 1000)})
		require.NoError(t, err)
	}
	before := l.chunks
	require.Greater(t, len(before), 3)
	require.NoError(t, l.WriteSnapshot(t.Context(), before[0].last-1))
	for i, c := range before {
		require.Same(t, c, l.chunks[i], "no chunk is whole before that")
	}
	require.NoError(t, l.WriteSnapshot(t.Context(), before[1].last))
	require.Len(t, l.chunks, len(before)-1, "two have become one")
	require.Equal(t, before[1].last, l.chunks[0].last)
	for i, c := range l.chunks[1:] {
		require.Same(t, before[i+2], c)
	}
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	require.Len(t, l.chunks, 1)
}
