// SPDX-License-Identifier: Apache-2.0

package file

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// TestIndexAgain makes the index of a sealed segment fail: Stats says so, and the log's head stays before the segment. Once the
// fault is gone, the flusher makes the index without being asked.
func TestIndexAgain(t *testing.T) {
	t.Parallel()
	d := vfstest.New()
	failed := make(chan struct{})
	fail := sync.OnceFunc(func() { close(failed) })
	d.Fault = func(op, name string, _ int) *vfstest.Fault {
		if op != "create" || !strings.HasSuffix(name, indexExt+tempExt) {
			return nil
		}
		fail()
		return &vfstest.Fault{Err: syscall.EACCES}
	}
	l := openTest(t, Options{fs: d})
	writeSome(t, l, 0, 3)
	require.NoError(t, l.rollIfUsed(t.Context()))
	stats := func() backend.Stats {
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		return s
	}
	<-failed
	require.Equal(t, 1, stats().Storage.Unindexed)
	d.With(func() { d.Fault = nil })
	require.Eventually(t, func() bool {
		s, err := l.Stats(t.Context())
		return err == nil && s.Storage.Unindexed == 0 && s.Head.Through >= 3
	}, time.Minute, time.Millisecond)
	require.NotZero(t, stats().Storage.IndexBytes)
}
