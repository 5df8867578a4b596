// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// A strictFS refuses to rename a file to the name of one that is open, as Windows does without POSIX semantics.
type strictFS struct {
	vfs.FS
	mu   sync.Mutex
	open map[string]int // the files that are open, by name
}

type strictFile struct {
	vfs.File
	fs   *strictFS
	name string
}

func (s *strictFS) add(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[name] += n
}

func (s *strictFS) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	s.add(name, 1)
	return strictFile{f, s, name}, nil
}

func (f strictFile) Close() error {
	f.fs.add(f.name, -1)
	return f.File.Close()
}

func (s *strictFS) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[to] > 0 {
		return vfs.ErrInUse
	}
	return s.FS.Rename(from, to)
}

// TestRenameOverOpen prunes and consolidates every file while loops are paused in them, on a file system that does not
// rename over open files: readers leave no file open.
func TestRenameOverOpen(t *testing.T) {
	d := &strictFS{FS: vfstest.New(), open: map[string]int{}}
	l := openTest(t, Options{fs: d, SegmentSize: 64 << 10, closeFiles: true, Sync: SyncNever})
	const facts = 3000
	writeSome(t, l, 0, facts)
	l.update(func(s *state) { s.tail = tail{} }) // readers read files
	before := int(l.state.Load().last)
	var nexts []func() (backend.Fact, error, bool)
	read := make([][]uint64, 10)
	for i := range read {
		next, stop := iter.Pull2(backend.Facts(l.Replay(t.Context(), since(uint64(i*facts/len(read))))))
		defer stop()
		nexts = append(nexts, next)
		f, err, ok := next()
		require.True(t, ok)
		require.NoError(t, err)
		read[i] = append(read[i], f.Seq)
	}
	drop := []uint64{}
	for seq := uint64(2); seq < facts; seq += 3 {
		drop = append(drop, seq)
	}
	report, err := l.Prune(t.Context(), slices.Values(drop), backend.Horizon{})
	require.NoError(t, err)
	require.EqualValues(t, len(drop), report.Pruned)
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	report, err = l.Prune(t.Context(), slices.Values([]uint64{4}), backend.Horizon{})
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Pruned)
	for i, next := range nexts {
		for f, err, ok := next(); ok; f, err, ok = next() {
			require.NoError(t, err)
			read[i] = append(read[i], f.Seq)
		}
		require.True(t, slices.IsSorted(read[i]))
		require.EqualValues(t, before, read[i][len(read[i])-1])
	}
	require.Equal(t, facts-len(drop)-1, count(t, l, 0))
	for name, n := range d.open {
		require.Zero(t, n, name)
	}
}

// TestRenameInUse prunes while another program has the file open: nothing changes, and Prune can be tried again.
func TestRenameInUse(t *testing.T) {
	d := &strictFS{FS: vfstest.New(), open: map[string]int{}}
	l := openTest(t, Options{fs: d, closeFiles: true})
	writeSome(t, l, 0, 10)
	prune := func() error {
		_, err := l.Prune(context.Background(), slices.Values([]uint64{3}), backend.Horizon{})
		return err
	}
	other, err := d.Open(l.dir.join(segmentName(1)))
	require.NoError(t, err)
	err = prune()
	require.ErrorIs(t, err, vfs.ErrInUse)
	require.NotErrorIs(t, err, backend.ErrFailed)
	require.Equal(t, 10, count(t, l, 0))
	writeSome(t, l, 10, 11)
	require.NoError(t, other.Close())
	require.NoError(t, prune())
	require.Equal(t, 10, count(t, l, 0))
}
