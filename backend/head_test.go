// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

func TestCheckpoint(t *testing.T) {
	const line = "igniter/0197c0de-8c1a-7055-9dd2-000000000001 12 AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	c, err := backend.ParseCheckpoint(line)
	require.NoError(t, err)
	require.EqualValues(t, 12, c.Head.Through)
	require.Equal(t, backend.RootHash{1, 2, 3}, c.Head.Root)
	require.Equal(t, line, c.String())
	again, err := backend.ParseCheckpoint(strings.ReplaceAll(line, " ", "\n") + "\n")
	require.NoError(t, err)
	require.Equal(t, c, again)

	s := backend.Stats{Log: c.Log, Head: c.Head}
	same, ok := s.Checkpoint()
	require.True(t, ok)
	require.Equal(t, c, same)
	text, err := json.Marshal(s)
	require.NoError(t, err)
	var read backend.Stats
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, s, read)
	_, ok = (&backend.Stats{Log: c.Log}).Checkpoint()
	require.False(t, ok)

	parts := strings.Fields(line)
	for _, bad := range []string{
		"", line + " x", "other " + parts[1] + " " + parts[2], "igniter/ " + parts[1] + " " + parts[2], parts[0] + " 0 " + parts[2], parts[0] + " -1 " + parts[2],
		parts[0] + " 9223372036854775808 " + parts[2], parts[0] + " 1 AQID", parts[0] + " 1 ?",
	} {
		_, err := backend.ParseCheckpoint(bad)
		require.ErrorIs(t, err, backend.ErrInvalid, bad)
	}
}
