// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/query"
)

// TestChangesOfManyMembers: objects with very many members are compared as a whole, also inside others.
func TestChangesOfManyMembers(t *testing.T) {
	object := func(members int, value string) []byte {
		var b strings.Builder
		b.WriteByte('{')
		for i := range members {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"%d":%s`, i, value)
		}
		b.WriteByte('}')
		return []byte(b.String())
	}
	changes, more := changesOf(object(maxMembers, "1"), object(maxMembers, "2"))
	require.Len(t, changes, maxChanges)
	require.True(t, more)
	one, other := object(maxMembers+1, "1"), object(maxMembers+1, "2")
	changes, more = changesOf(one, other)
	require.False(t, more)
	require.Equal(t, []query.Change{{OldBytes: len(one), NewBytes: len(other)}}, changes)
	changes, _ = changesOf(fmt.Appendf(nil, `{"a":%s,"b":1}`, one), fmt.Appendf(nil, `{"a":%s,"b":2}`, other))
	require.Equal(t, []string{"a", "b"}, []string{changes[0].Field, changes[1].Field})
	changes, _ = changesOf(one, fmt.Appendf(nil, " %s ", one))
	require.Empty(t, changes)
	require.Less(t, testing.AllocsPerRun(1, func() { changesOf(one, other) }), float64(4*maxMembers), "not each member is kept")
}
