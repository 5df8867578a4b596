// SPDX-License-Identifier: Apache-2.0

package file

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// failSyncs makes the next syncs of a log's first segment fail; the disk then treats the data as clean. left returns the
// number of syncs that will still fail.
func failSyncs(d *vfstest.Disk, times int, cause error) (left func() int) {
	d.With(func() {
		d.Fault = func(op, name string, _ int) *vfstest.Fault {
			if op != "sync" || !strings.HasPrefix(name, "/log/"+segmentName(1)) || times == 0 {
				return nil
			}
			times--
			return &vfstest.Fault{Err: cause}
		}
	})
	return func() (n int) {
		d.With(func() { n = times })
		return n
	}
}

// kept requires that the log on a disk has its facts through a seq after a power cut that loses everything that is not
// durable.
func kept(t *testing.T, d *vfstest.Disk, last uint64) {
	t.Helper()
	l := openTest(t, Options{fs: d.Image(0, vfstest.PowerCut)})
	require.Equal(t, last, l.Report().LastSeq)
	require.Equal(t, int(last), count(t, l, 0))
}

// TestReopenAfterFailedSync reopens a log on the same kernel after a failed sync of facts. Facts that are found then, and
// facts that are written again, are durable, although the kernel treats them as clean.
func TestReopenAfterFailedSync(t *testing.T) {
	for _, policy := range []Sync{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			d := vfstest.New()
			opts := Options{Path: "/log", Sync: policy, SyncInterval: time.Hour, fs: d}
			l, err := Open(t.Context(), opts)
			require.NoError(t, err)
			writeSome(t, l, 0, 2)
			left := failSyncs(d, 1, syscall.EIO)
			_, err = l.WriteFact(t.Context(), newFact(2))
			if policy == SyncAlways {
				require.ErrorIs(t, err, backend.ErrFailed)
			} else {
				require.NoError(t, err)
			}
			_ = l.Close() // this may be the call that fails
			require.Zero(t, left())
			l = openTest(t, opts)
			f, err := l.WriteFact(t.Context(), newFact(2))
			require.NoError(t, err)
			require.EqualValues(t, 3, f.Seq)
			stats, err := l.Stats(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 3, stats.DurableSeq)
			kept(t, d, 3)
		})
	}
}

// TestPassingSyncBeside makes syncs fail that are not for a single frame: the flusher's syncs at intervals, the end of a
// segment, and Close. After a temporary error, the frames that are not durable are written again. After any other error, or
// if the error persists, the log has failed, or Close returns an error.
func TestPassingSyncBeside(t *testing.T) {
	for name, sync := range map[string]func(l *Log) error{
		"flusher": func(l *Log) error { l.syncUnsynced(); return l.failure() },
		"roll":    func(l *Log) error { return l.rollIfUsed(t.Context()) },
		"close":   (*Log).Close,
	} {
		t.Run(name, func(t *testing.T) {
			for _, cause := range append([]error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT}, passingErrors...) {
				for _, times := range []int{2, syncs} {
					passes := cause != syscall.EIO && cause != syscall.ENOSPC && cause != syscall.EDQUOT
					if passes && times == syncs && (cause != passingErrors[0] || name != "flusher") {
						continue // takes a second
					}
					d := vfstest.New()
					l, err := Open(t.Context(), Options{Path: "/log", Sync: SyncInterval, SyncInterval: time.Hour, fs: d})
					require.NoError(t, err)
					writeSome(t, l, 0, 2)
					l.syncUnsynced()
					writeSome(t, l, 2, 5)
					left := failSyncs(d, times, cause)
					err = sync(l)
					if passes && times < syncs {
						require.NoError(t, err)
						require.Zero(t, left())
						kept(t, d, 5)
					} else {
						require.ErrorIs(t, err, cause)
						if name != "close" {
							require.ErrorIs(t, err, backend.ErrFailed)
							_, err = l.WriteFact(t.Context(), newFact(5))
							require.ErrorIs(t, err, backend.ErrFailed)
						}
						kept(t, d, 2)
					}
					_ = l.Close()
				}
			}
		})
	}
}

// TestSyncAheadFails makes the sync of space written ahead fail while a fact is written but not synced yet, so that the
// fact is affected. The fact is not acknowledged, unless the error is temporary: then it is durable.
func TestSyncAheadFails(t *testing.T) {
	for _, cause := range append([]error{syscall.EIO, syscall.ENOSPC}, passingErrors...) {
		d := vfstest.New()
		l, err := Open(t.Context(), Options{Path: "/log", fs: d})
		require.NoError(t, err)
		writeSome(t, l, 0, 1)
		var inside atomic.Int64
		d.With(func() {
			d.Fault = func(op, name string, _ int) *vfstest.Fault {
				if op != "sync" || !strings.HasPrefix(name, "/log/"+segmentName(1)) {
					return nil
				}
				switch inside.Add(1) {
				case 1: // the fact's sync is about to begin
					a := l.state.Load().active
					a.flushing.Lock()
					a.ahead.Store(l.state.Load().current.Size + 4<<10) // little space is left after the fact
					a.flushing.Unlock()
					l.writeAhead()
				case 2:
					return &vfstest.Fault{Err: cause}
				}
				return nil
			}
		})
		_, err = l.WriteFact(t.Context(), newFact(1))
		require.Greater(t, inside.Load(), int64(1))
		if cause == syscall.EIO || cause == syscall.ENOSPC {
			require.ErrorIs(t, err, backend.ErrFailed)
			kept(t, d, 1)
		} else {
			require.NoError(t, err)
			kept(t, d, 2)
		}
		_ = l.Close()
	}
}
