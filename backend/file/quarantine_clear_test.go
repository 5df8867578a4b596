// SPDX-License-Identifier: Apache-2.0

package file

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// TestClearQuarantine removes the files of a recovery from the quarantine, durably, and checks Stats.
func TestClearQuarantine(t *testing.T) {
	d := vfstest.New()
	o := Options{Path: "/log", fs: d}
	l, err := Open(t.Context(), o)
	require.NoError(t, err)
	removed, err := l.ClearQuarantine(t.Context())
	require.NoError(t, err, "there is nothing to clear")
	require.Zero(t, removed)
	writeSome(t, l, 0, 3)
	require.NoError(t, l.Close())
	name := segmentName(1)
	d.Overwrite(path.Join("/log", name), append(d.Files("/log")[name], "torn"...))
	l = openTest(t, o)
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.NotZero(t, s.Storage.QuarantineBytes)
	removed, err = l.ClearQuarantine(t.Context())
	require.NoError(t, err)
	require.Equal(t, s.Storage.QuarantineBytes, removed)
	s, err = l.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, s.Storage.QuarantineBytes)
	require.Empty(t, d.Image(0, vfstest.PowerCut).Files("/log/"+quarantineName))
	require.Equal(t, 3, count(t, l, 0))
}
