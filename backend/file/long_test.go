// SPDX-License-Identifier: Apache-2.0

package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestLongSegment opens a log whose last segment somebody has extended with a hole: the log takes no more room than before.
func TestLongSegment(t *testing.T) {
	opts := Options{Path: t.TempDir()}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	writeSome(t, l, 0, 3)
	require.NoError(t, l.Close())
	name := filepath.Join(opts.Path, segmentName(1))
	before, err := os.Stat(name)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(name, 100<<20)) // a sparse file
	l = openTest(t, opts)
	after, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, before.Size(), after.Size())
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Less(t, stats.Storage.ReserveBytes, uint64(1<<20))
	require.Equal(t, 3, count(t, l, 0))
}

// TestEmptySegment opens and repairs a log whose only segment somebody has emptied: that is damage, and the repair reports
// it.
func TestEmptySegment(t *testing.T) {
	opts := Options{Path: t.TempDir()}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	writeSome(t, l, 0, 3)
	require.NoError(t, l.Close())
	require.NoError(t, os.Truncate(filepath.Join(opts.Path, segmentName(1)), 0))
	_, err = Open(t.Context(), opts)
	require.ErrorIs(t, err, backend.ErrCorrupt)
	verified, err := Verify(t.Context(), opts.Path)
	require.NoError(t, err)
	require.Len(t, verified.Damage, 1)
	plan, err := PlanRepair(t.Context(), opts.Path)
	require.NoError(t, err)
	require.Len(t, plan.Cuts, 1)
	opts.Repair = true
	l = openTest(t, opts)
	require.Equal(t, plan.Cuts, l.Report().Cuts)
	writeSome(t, l, 0, 3)
}
