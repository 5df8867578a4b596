package file

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Facts are synced in time while the flusher reads a large file to index it.
func TestSyncWhileIndexing(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir(), Sync: SyncInterval, SyncInterval: time.Hour})
	writeSome(t, l, 0, 3)
	require.NoError(t, l.rollIfUsed(t.Context()))
	writeSome(t, l, 3, 5)
	s := l.state.Load()
	require.Less(t, s.durable, s.last)
	require.NoError(t, l.maintenance.Lock(t.Context()))
	s.sealed[0].tree.Store(nil) // as in an index of an earlier release
	l.maintenance.Unlock()
	tick := make(chan time.Time, 1)
	tick <- time.Now()
	l.indexSealed(t.Context(), tick)
	s = l.state.Load()
	require.Equal(t, s.last, s.durable)
}
