// SPDX-License-Identifier: Apache-2.0

package file

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// TestLargestFrame writes a fact under a larger limit. Opened with the default limit, the log takes that fact again, but no
// larger one, wherever the fact is: in the active segment, in a sealed one, in a snapshot, in a pruned file, and with its
// index lost.
func TestLargestFrame(t *testing.T) {
	o := Options{Path: t.TempDir(), Sync: SyncNever, MaxFrame: wire.DefaultMaxFrame + 2000}
	large := backend.Fact{ID: "large", Store: "s", Key: "k", ValueHash: "given", Value: []byte(`"` + strings.Repeat("x", wire.DefaultMaxFrame) + `"`)}
	l := openTest(t, o)
	held, err := l.WriteFact(t.Context(), large)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	o.MaxFrame = 0
	limit := len(wire.AppendFact(nil, &held))
	for step := range 5 {
		l = openTest(t, o)
		require.Equal(t, limit, l.Features().MaxFrame, "step %d", step)
		switch step {
		case 0:
			_, err = l.WriteFact(t.Context(), backend.Fact{ID: "small", Store: "s", Key: "l", Value: []byte("1")})
			require.NoError(t, err)
			require.NoError(t, l.rollIfUsed(t.Context()))
		case 1:
			require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		case 2:
			_, err = l.Prune(t.Context(), func(yield func(uint64) bool) { yield(2) }, backend.Horizon{})
			require.NoError(t, err)
		case 3:
			require.NoError(t, l.dir.fs.Remove(l.dir.join(snapshotName(2)+indexExt)))
		case 4:
			again, err := l.WriteFact(t.Context(), large)
			require.NoError(t, err)
			require.Equal(t, held.Seq, again.Seq)
			large.ID, large.Value = "larger", append(large.Value[:1:1], `yy`+strings.Repeat("y", wire.DefaultMaxFrame)+`"`...)
			_, err = l.WriteFact(t.Context(), large)
			require.ErrorIs(t, err, backend.ErrTooLarge)
		}
		require.NoError(t, l.Close())
	}
}
