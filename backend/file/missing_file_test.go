// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// TestMissingFile removes a sealed file of a log that is open: reads, snapshots and prunes that need it report damage,
// which servers log and count. Writes still work.
func TestMissingFile(t *testing.T) {
	dir := t.TempDir()
	l, err := file.Open(t.Context(), file.Options{Path: dir, SegmentSize: 4 << 10})
	require.NoError(t, err)
	value := fmt.Appendf(nil, "%q", strings.Repeat("x", 3000))
	put := func(id string) {
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: id, Store: "s", Key: id, Value: value})
		require.NoError(t, err)
	}
	for id := range 5 {
		put(fmt.Sprint(id))
	}
	require.NoError(t, l.Close())
	core, logs := observer.New(zap.ErrorLevel)
	l = openLog(t, file.Options{Path: dir, Logger: zap.New(core)}) // none of the facts is in memory
	require.NoError(t, os.Remove(filepath.Join(dir, "00000000000000000003.wal")))
	for p, failed := range l.Replay(t.Context(), backend.Range{}) {
		if err = failed; err == nil {
			require.LessOrEqual(t, p.Through.Seq, uint64(2))
		}
	}
	for what, err := range map[string]error{"replay": err, "snapshot": l.WriteSnapshot(t.Context(), 0)} {
		corrupt := &backend.CorruptError{}
		require.ErrorAs(t, err, &corrupt, what)
		require.Equal(t, filepath.Join(dir, "00000000000000000003.wal"), corrupt.Path)
		require.Contains(t, corrupt.Reason, "is missing")
	}
	put("later")
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, s.Storage.Damaged)
	require.Equal(t, 1, logs.FilterMessageSnippet("damaged or missing").Len())
}
