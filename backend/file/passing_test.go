// SPDX-License-Identifier: Apache-2.0

package file

import (
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

var passingErrors = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR}

// TestPassingFaults makes each operation of a workload but the syncs of files fail twice with a temporary error: nobody
// notices.
func TestPassingFaults(t *testing.T) {
	s := crashSetup{sync: SyncAlways, short: true}
	run := func(fault vfstest.Hook) {
		d, m := vfstest.New(), newCrashModel()
		d.Fault, d.ReadFault = fault, fault
		require.NoError(t, s.run(t.Context(), d, m))
		d.With(func() { d.Fault, d.ReadFault = nil, nil })
		var count crashCount
		require.NoError(t, s.recovered(t.Context(), d.Image(0, vfstest.PowerCut), m, loseNothing, 0, &count))
	}
	var mu sync.Mutex
	calls := 0
	run(func(string, string, int) *vfstest.Fault {
		mu.Lock()
		defer mu.Unlock()
		calls++
		return nil
	})
	for first := range 3 { // two of three calls fail
		failed, n := 0, 0
		run(func(op, _ string, _ int) *vfstest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if n++; op == "sync" || n%3 == first {
				return nil
			}
			failed++
			return &vfstest.Fault{Err: passingErrors[failed%len(passingErrors)]}
		})
		require.Greater(t, failed, calls/4)
	}
}

// TestPassingSync makes syncs of facts fail with an error that passes, after which the disk takes what it lost for clean: the
// facts are durable when they are acknowledged.
func TestPassingSync(t *testing.T) {
	d := vfstest.New()
	l, err := Open(t.Context(), Options{Path: "/log", fs: d})
	require.NoError(t, err)
	for i, cause := range passingErrors {
		left := 3
		d.With(func() {
			d.Fault = func(op, name string, _ int) *vfstest.Fault {
				if op != "sync" || !strings.HasPrefix(name, "/log/"+segmentName(1)) || left == 0 {
					return nil
				}
				left--
				return &vfstest.Fault{Err: cause}
			}
		})
		f, err := l.WriteFact(t.Context(), newFact(i))
		require.NoError(t, err)
		require.Zero(t, left)
		again, err := Open(t.Context(), Options{Path: "/log", fs: d.Image(0, vfstest.PowerCut)})
		require.NoError(t, err)
		require.Equal(t, f.Seq, again.Report().LastSeq)
		require.NoError(t, again.Close())
	}
	require.NoError(t, l.Close())
}
