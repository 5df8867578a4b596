// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// TestPruneSomeFiles prunes facts of two files on a full disk, of which one is too large for the reserve: the other one is pruned.
// The log knows the IDs of the remaining facts, and not the IDs of the pruned ones.
func TestPruneSomeFiles(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{Path: "/log", SegmentSize: minSegment, Sync: SyncNever, fs: d})
	write := func(id int) uint64 {
		rng := rand.New(rand.NewPCG(1, uint64(id)))
		value := make([]byte, 0, 600)
		for range 30 {
			value = fmt.Appendf(value, "%016x", rng.Uint64())
		}
		f, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(id), Store: "s", Key: fmt.Sprint(id), Value: fmt.Appendf(nil, "%q", value)})
		require.NoError(t, err)
		return f.Seq
	}
	for id := range 100 {
		write(id + 1)
	}
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	for id := range 30 {
		write(id + 101)
	}
	indexNow(l)
	l.keepReserve()
	d.Fill(0)
	report, err := l.Prune(t.Context(), slices.Values([]uint64{5, 6, 105}), backend.Horizon{})
	require.ErrorIs(t, err, backend.ErrFull)
	require.Equal(t, backend.PruneReport{Pruned: 1, Missing: 2}, report)
	d.With(func() { d.Capacity = 0 })
	require.EqualValues(t, 5, write(5))
	require.EqualValues(t, 131, write(105))
	report, err = l.Prune(t.Context(), slices.Values([]uint64{5, 6, 105}), backend.Horizon{})
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Pruned)
	require.EqualValues(t, 132, write(5))
}

// TestReserve checks the size of the reserve: it grows with the log's largest segment, and does not take the room that
// facts need.
func TestReserve(t *testing.T) {
	d := vfstest.New()
	o := Options{Path: "/log", SegmentSize: 8 << 10, Sync: SyncNever, fs: d}
	l := openTest(t, o)
	l.stop() // the flusher would do it at any moment
	<-l.flushed
	have := func() int { return len(d.Files("/log")[reserveName]) }
	require.Equal(t, 16<<10, have())
	for id := range 100 {
		write := newFact(id)
		_, err := l.WriteFact(t.Context(), write)
		require.NoError(t, err)
	}
	large := newFact(100)
	large.Value = fmt.Appendf(nil, "%q", strings.Repeat("x", 20000))
	_, err := l.WriteFact(t.Context(), large)
	require.NoError(t, err)
	d.Fill(4 << 10)
	l.keepReserve()
	require.Equal(t, 16<<10, have(), "there is no room for more")
	d.With(func() { d.Capacity = 0 })
	require.NoError(t, l.rollIfUsed(t.Context()))
	_, err = l.Prune(t.Context(), slices.Values([]uint64{1}), backend.Horizon{})
	require.NoError(t, err)
	require.Equal(t, 32<<10, have())
	require.NoError(t, l.Close())
	l = openTest(t, o)
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 32<<10, s.Storage.ReserveBytes)
}
