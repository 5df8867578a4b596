// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// identityOf returns the Stats of an open log, for its identity and last seq.
func identityOf(t *testing.T, l *Log) backend.Stats {
	t.Helper()
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.NotZero(t, s.Log)
	return backend.Stats{Log: s.Log, Ancestors: s.Ancestors, LastSeq: s.LastSeq}
}

func openAt(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// addFacts writes n facts, each of about 1 KiB.
func addFacts(t *testing.T, l *Log, n int) {
	t.Helper()
	for range n {
		seq := l.state.Load().last + 1
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(time.Now().UnixNano(), " ", seq), Store: "s", Key: fmt.Sprint(seq % 3), Value: fmt.Appendf(nil, `"%01000d"`, 1)})
		require.NoError(t, err)
	}
}

// copyDir copies the directory of a log as a crash of the process would leave it, without indexes.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, ext := range []string{segmentExt, snapshotExt} {
		paths, err := filepath.Glob(filepath.Join(dir, "*"+ext))
		require.NoError(t, err)
		for _, path := range paths {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(to, filepath.Base(path)), data, 0o644))
		}
	}
	return to
}

// TestIdentityStays checks that a log keeps its identity when it changes its files in any way.
func TestIdentityStays(t *testing.T) {
	for _, policy := range []Sync{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			dir, boots := t.TempDir(), 0
			o := Options{Path: dir, Sync: policy, SegmentSize: 8 << 10, boot: func() string { return fmt.Sprint("boot ", boots) }}
			var want backend.LogID
			for i := range 6 {
				boots = i / 2
				l, err := Open(t.Context(), o)
				require.NoError(t, err)
				s := identityOf(t, l)
				if i == 0 {
					want = s.Log
				}
				require.Equal(t, backend.Stats{Log: want, LastSeq: s.LastSeq}, s)
				addFacts(t, l, 20)
				for p, err := range l.Replay(t.Context(), backend.Range{}) {
					require.NoError(t, err)
					require.Equal(t, want, p.Through.Log)
				}
				if i%2 == 1 {
					_, err = l.Prune(t.Context(), slices.Values([]uint64{s.LastSeq + 1, s.LastSeq + 20}), backend.Horizon{})
					require.NoError(t, err)
				}
				if i%3 == 1 {
					require.NoError(t, l.WriteSnapshot(t.Context(), 0))
				}
				require.NoError(t, l.Close())
				report, err := Verify(t.Context(), dir)
				require.NoError(t, err)
				require.Empty(t, report.Damage)
				require.Nil(t, report.Torn)
			}
		})
	}
	require.NotEqual(t, identityOf(t, openAt(t, Options{Path: t.TempDir()})).Log, identityOf(t, openAt(t, Options{Path: t.TempDir()})).Log)
}

// TestIdentityOfVersion1 opens a log without an identity: it gets one, and keeps it.
func TestIdentityOfVersion1(t *testing.T) {
	for _, name := range []string{"segments", "snapshot", "pruned", "interval", "never"} {
		dir := copyDir(t, filepath.Join("testdata/v1", name))
		var want backend.Stats
		for i := range 3 {
			l, err := Open(t.Context(), Options{Path: dir})
			require.NoError(t, err)
			if i == 0 {
				want = identityOf(t, l)
			}
			require.Equal(t, want, identityOf(t, l), name)
			require.Empty(t, want.Ancestors)
			require.NoError(t, l.Close())
		}
	}
}

// TestIdentityAfterCrash opens a log that was not closed. Facts that only the kernel had are lost if the machine was
// restarted.
func TestIdentityAfterCrash(t *testing.T) {
	for _, policy := range []Sync{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			o := Options{Path: t.TempDir(), Sync: policy, SyncInterval: time.Hour, boot: func() string { return "first" }}
			l := openAt(t, o)
			addFacts(t, l, 5)
			was := identityOf(t, l)
			crash := func(boot string) backend.Stats {
				return identityOf(t, openAt(t, Options{Path: copyDir(t, o.Path), Sync: policy, boot: func() string { return boot }}))
			}
			require.Equal(t, was, crash("first"), "the process was killed")
			for _, boot := range []string{"second", ""} {
				now := crash(boot)
				if policy == SyncAlways {
					require.Equal(t, was, now)
					continue
				}
				require.NotEqual(t, was.Log, now.Log)
				require.Equal(t, []backend.Ancestor{{Log: was.Log, Through: 5}}, now.Ancestors)
			}

			// A log that was closed, opened and killed was not closed.
			require.NoError(t, l.Close())
			closed := crash("second")
			require.Equal(t, was, closed)
			l = openAt(t, o)
			require.Equal(t, was, identityOf(t, l))
			if now := crash("second"); policy != SyncAlways {
				require.NotEqual(t, was.Log, now.Log)
			}
		})
	}
}

// TestIdentityAfterTornTail cuts off the end of a log under SyncNever, as a power cut does, several times.
func TestIdentityAfterTornTail(t *testing.T) {
	boots := 0
	o := Options{Path: t.TempDir(), Sync: SyncNever, boot: func() string { return fmt.Sprint("boot ", boots) }}
	var all []backend.Stats
	for boots = range 4 {
		l := openAt(t, o)
		s := identityOf(t, l)
		for i, was := range all {
			_, err := s.Resume(backend.Cursor{Log: was.Log, Seq: min(was.LastSeq, s.LastSeq)})
			require.NoError(t, err, "the past of log %d", i)
			_, err = s.Resume(backend.Cursor{Log: was.Log, Seq: was.LastSeq + 1})
			require.ErrorIs(t, err, backend.ErrDiverged)
		}
		addFacts(t, l, 4)
		s = identityOf(t, l)
		s.LastSeq--
		all = append(all, s)
		o.Path = copyDir(t, o.Path)
		path := filepath.Join(o.Path, l.state.Load().active.name)
		require.NoError(t, os.Truncate(path, l.state.Load().active.end-1), "the last fact is lost")
	}
}

// TestIdentityAfterRepair repairs logs, with and without loss.
func TestIdentityAfterRepair(t *testing.T) {
	o := Options{Path: t.TempDir(), SegmentSize: 8 << 10}
	l, err := Open(t.Context(), o)
	require.NoError(t, err)
	addFacts(t, l, 40)
	was := identityOf(t, l)
	sealed := slices.Clone(l.state.Load().sealed)
	active := l.state.Load().current
	require.NoError(t, l.Close())
	damage := func(t *testing.T, name string, at int64) Options {
		o := Options{Path: copyDir(t, o.Path), Repair: true}
		path := filepath.Join(o.Path, name)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[at] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o644))
		return o
	}
	for _, c := range []struct {
		what, name string
		at         int64
		through    uint64 // math.MaxUint64: nothing is lost
	}{
		{"the header of a sealed segment", sealed[1].Name, 20, math.MaxUint64},
		{"a fact in a sealed segment", sealed[1].Name, sealed[1].Header + 10, sealed[1].First - 1},
		{"a fact in the active segment", active.Name, active.Header + 10, active.First - 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := damage(t, c.name, c.at)
			var now backend.Stats
			for i := range 3 {
				o.Repair = i == 0
				l, err := Open(t.Context(), o)
				require.NoError(t, err)
				s := identityOf(t, l)
				require.NoError(t, l.Close())
				if i > 0 {
					require.Equal(t, now, s)
				}
				now = s
			}
			if c.through == math.MaxUint64 {
				require.Equal(t, was, now)
				return
			}
			require.NotEqual(t, was.Log, now.Log)
			require.Equal(t, []backend.Ancestor{{Log: was.Log, Through: c.through}}, now.Ancestors)
		})
	}

	t.Run("a file that is gone", func(t *testing.T) {
		o := Options{Path: copyDir(t, o.Path), Repair: true}
		require.NoError(t, os.Remove(filepath.Join(o.Path, sealed[2].Name)))
		now := identityOf(t, openAt(t, o))
		require.Equal(t, []backend.Ancestor{{Log: was.Log, Through: sealed[2].First - 1}}, now.Ancestors)
	})

	t.Run("a crash before the new segment", func(t *testing.T) {
		o := damage(t, sealed[1].Name, sealed[1].Header+10)
		l, err := Open(t.Context(), o)
		require.NoError(t, err)
		now := identityOf(t, l)
		name := l.state.Load().active.name
		require.NoError(t, l.Close())
		require.NoError(t, os.Remove(filepath.Join(o.Path, name)))
		o.Repair = false
		again := openAt(t, o)
		require.Equal(t, now, identityOf(t, again), "the repaired file says that facts are gone")
	})
}

// TestIdentityRestored restores a log to an earlier seq.
func TestIdentityRestored(t *testing.T) {
	from := openAt(t, Options{Path: t.TempDir()})
	addFacts(t, from, 10)
	was := identityOf(t, from)
	dir := t.TempDir()
	_, err := Restore(t.Context(), Options{Path: dir}, func(context.Context) (backend.Stats, error) {
		return backend.Stats{Log: was.Log, Ancestors: []backend.Ancestor{{Log: backend.LogID{1}, Through: 3}}}, nil
	},
		from.Replay(t.Context(), backend.Range{Through: 6}))
	require.NoError(t, err)
	l := openAt(t, Options{Path: dir})
	now := identityOf(t, l)
	require.NotEqual(t, was.Log, now.Log)
	require.Equal(t, []backend.Ancestor{{Log: was.Log, Through: 6}, {Log: backend.LogID{1}, Through: 3}}, now.Ancestors)
	addFacts(t, l, 10)
	for _, c := range []struct {
		seq, common uint64 // common is math.MaxUint64 if the cursor is good
	}{{0, math.MaxUint64}, {6, math.MaxUint64}, {7, 6}, {10, 6}, {30, 6}} {
		cursor := backend.Cursor{Log: was.Log, Seq: c.seq}
		through := cursor
		for p, err := range l.Replay(t.Context(), backend.Range{After: cursor}) {
			if c.common == math.MaxUint64 {
				require.NoError(t, err)
				through = p.Through
				continue
			}
			var diverged *backend.DivergedError
			require.ErrorAs(t, err, &diverged)
			require.Equal(t, backend.DivergedError{Cursor: cursor, Log: now.Log, Common: c.common}, *diverged)
		}
		if c.common == math.MaxUint64 {
			require.Equal(t, backend.Cursor{Log: now.Log, Seq: 16}, through)
		}
	}
}

// TestLockFileRemoved removes the lock file of an open log, so that another process can open the directory. The first
// process must not acknowledge a fact that the other one may overwrite.
func TestLockFileRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not remove a locked file")
	}
	for _, policy := range []Sync{SyncAlways, SyncNever} {
		dir := t.TempDir()
		l := openAt(t, Options{Path: dir, Sync: policy})
		addFacts(t, l, 3)
		was := identityOf(t, l)
		require.NoError(t, os.Remove(filepath.Join(dir, lockName)))
		other := openAt(t, Options{Path: dir, Sync: policy})
		addFacts(t, other, 2)
		for range 2 {
			_, err := l.Stats(t.Context())
			require.ErrorIs(t, err, backend.ErrDiverged)
			_, err = l.WriteFact(t.Context(), backend.Fact{ID: "lost", Store: "s", Key: "k", Value: []byte("1")})
			var diverged *backend.DivergedError
			require.ErrorAs(t, err, &diverged)
			require.Equal(t, backend.Cursor{Log: was.Log, Seq: 3}, diverged.Cursor)
		}
		require.EqualValues(t, 5, identityOf(t, other).LastSeq)
		addFacts(t, other, 1)
	}
}
