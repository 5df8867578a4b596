// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

func TestResume(t *testing.T) {
	parent, grandparent, unknown := backend.LogID{1}, backend.LogID{2}, backend.LogID{3}
	mute := backend.Stats{LastSeq: 100}
	named := backend.Stats{LastSeq: 100, Log: someLog, Ancestors: []backend.Ancestor{{Log: parent, Through: 60}, {Log: grandparent, Through: 200}}}
	for _, c := range []struct {
		what   string
		s      backend.Stats
		c      backend.Cursor
		common uint64 // math.MaxUint64: the cursor is good
	}{
		{"the beginning", named, backend.Cursor{}, math.MaxUint64},
		{"the end", named, backend.Cursor{Seq: 100}, math.MaxUint64},
		{"the end, named", named, backend.Cursor{Log: someLog, Seq: 100}, math.MaxUint64},
		{"beyond the end", named, backend.Cursor{Seq: 101}, 100},
		{"beyond the end, named", named, backend.Cursor{Log: someLog, Seq: math.MaxUint64 - 1}, 100},
		{"a parent's", named, backend.Cursor{Log: parent, Seq: 60}, math.MaxUint64},
		{"a parent's, after the two differ", named, backend.Cursor{Log: parent, Seq: 61}, 60},
		{"a grandparent's, beyond this log's end", named, backend.Cursor{Log: grandparent, Seq: 101}, 100},
		{"a grandparent's", named, backend.Cursor{Log: grandparent, Seq: 100}, math.MaxUint64},
		{"an unknown log's", named, backend.Cursor{Log: unknown, Seq: 1}, 0},
		{"an unknown log's beginning", named, backend.Cursor{Log: unknown}, math.MaxUint64},
		{"a log that does not say", mute, backend.Cursor{Log: unknown, Seq: 100}, math.MaxUint64},
		{"beyond the end of a log that does not say", mute, backend.Cursor{Log: unknown, Seq: 101}, 100},
		{"an empty log", backend.Stats{}, backend.Cursor{}, math.MaxUint64},
		{"beyond an empty log", backend.Stats{}, backend.Cursor{Seq: 1}, 0},
	} {
		seq, err := c.s.Resume(c.c)
		if c.common == math.MaxUint64 {
			require.NoError(t, err, c.what)
			require.Equal(t, c.c.Seq, seq, c.what)
			continue
		}
		require.Zero(t, seq, c.what)
		require.ErrorIs(t, err, backend.ErrDiverged, c.what)
		var diverged *backend.DivergedError
		require.ErrorAs(t, err, &diverged, c.what)
		require.Equal(t, backend.DivergedError{Cursor: c.c, Log: c.s.Log, Common: c.common}, *diverged, c.what)
	}
}
