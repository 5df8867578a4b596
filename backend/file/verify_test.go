// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// TestVerify checks that Verify finds every kind of damage at its place, and no damage in a sound log.
func TestVerify(t *testing.T) {
	d := vfstest.New()
	opts := Options{Path: "/log", fs: d, SegmentSize: 16 << 10}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	writeSome(t, l, 0, 200)
	require.NoError(t, l.WriteSnapshot(t.Context(), 100))
	_, err = l.Prune(t.Context(), slices.Values([]uint64{50, 150}), backend.Horizon{})
	require.NoError(t, err)
	foreign := newFact(200)
	foreign.ValueHash = "of another system"
	_, err = l.WriteFact(t.Context(), foreign)
	require.NoError(t, err)
	files := l.files()
	_, err = verify(t.Context(), opts)
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	require.NoError(t, l.Close())

	report, err := verify(t.Context(), opts)
	require.NoError(t, err)
	require.Empty(t, report.Damage)
	require.Nil(t, report.Torn)
	require.EqualValues(t, 199, report.Facts)
	require.Equal(t, 1, report.Snapshots)
	require.Equal(t, len(files)-1, report.Segments)
	require.Len(t, report.Foreign, 1)
	require.Equal(t, foreign.ID, report.Foreign[0].ID)

	for i, p := range files {
		bad := d.Image(1, vfstest.ProcessKill)
		path := filepath.Join("/log", p.Name)
		f, err := bad.Edit(path)
		require.NoError(t, err)
		at := p.Size - 30
		if p.Snapshot {
			at = 5000 // in a block
		}
		b := []byte{0}
		_, err = f.ReadAt(b, at)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{b[0] ^ 1}, at)
		require.NoError(t, err)
		opts.fs = bad
		report, err := verify(t.Context(), opts)
		require.NoError(t, err)
		if i == len(files)-1 {
			require.NotNil(t, report.Torn)
			require.Equal(t, p.Name, report.Torn.File)
			continue
		}
		require.NotEmpty(t, report.Damage)
		require.Equal(t, path, report.Damage[0].Path)
		require.ErrorIs(t, report.Damage[0], backend.ErrCorrupt)
	}
	_, err = Verify(t.Context(), filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
	require.NotErrorIs(t, err, backend.ErrCorrupt)
}

// TestVerifyNamesAll damages files in several places: each is named, and all facts between them are counted.
func TestVerifyNamesAll(t *testing.T) {
	d := vfstest.New()
	l, err := Open(t.Context(), Options{Path: "/log", fs: d})
	require.NoError(t, err)
	noise := rand.New(rand.NewPCG(1, 2)) // so that a snapshot has several blocks
	for n := range 2500 {
		f := newFact(n)
		f.Value = fmt.Appendf(nil, `"%x"`, [16]uint64{noise.Uint64(), noise.Uint64(), noise.Uint64(), noise.Uint64(), noise.Uint64()})
		_, err := l.WriteFact(t.Context(), f)
		require.NoError(t, err)
	}
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	blocks := l.files()[0].Points
	require.Greater(t, len(blocks), 3)
	writeSome(t, l, 2500, 2600)
	require.NoError(t, l.rollIfUsed(t.Context()))
	writeSome(t, l, 2600, 2650)
	require.NoError(t, l.Close())
	files := damageFiles(d)
	sealed, err := damageFrames(files[segmentName(2501)])
	require.NoError(t, err)
	active, err := damageFrames(files[segmentName(2601)])
	require.NoError(t, err)
	places := map[string][]int64{
		snapshotName(2500): {0, blocks[1].Offset, blocks[3].Offset},
		segmentName(2501):  {0, sealed[3].from, sealed[50].from, sealed[99].from},
		segmentName(2601):  {active[7].from, active[20].from},
	}
	var want []string
	for _, name := range slices.Sorted(maps.Keys(places)) {
		for _, at := range places[name] {
			files[name][at+20] ^= 1
			d.Overwrite("/log/"+name, files[name])
			want = append(want, fmt.Sprint("/log/", name, " ", at))
		}
	}
	report, err := verify(t.Context(), Options{Path: "/log", fs: d})
	require.NoError(t, err)
	var have []string
	for _, c := range report.Damage {
		have = append(have, fmt.Sprint(filepath.ToSlash(c.Path), " ", c.Offset))
	}
	slices.Sort(want)
	slices.Sort(have)
	require.Equal(t, want, have)
	lost := blocks[2].Seq - blocks[1].Seq + 2501 - blocks[3].Seq
	if len(blocks) > 4 {
		lost = blocks[2].Seq - blocks[1].Seq + blocks[4].Seq - blocks[3].Seq
	}
	require.EqualValues(t, 2650-lost-3-2, report.Facts)
}
