// SPDX-License-Identifier: Apache-2.0

package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/wire"
)

// dumped returns the lines of a dump, and the number of damaged places.
func dumped(t *testing.T, data []byte, bodies string) ([]dumpLine, int) {
	t.Helper()
	var out bytes.Buffer
	damaged, err := Dump(t.Context(), &out, bytes.NewReader(data), int64(len(data)), bodies)
	require.NoError(t, err)
	var lines []dumpLine
	for text := range strings.Lines(out.String()) {
		var line dumpLine
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		lines = append(lines, line)
	}
	return lines, damaged
}

// summary returns the kinds of lines, in order.
func summary(lines []dumpLine) string {
	var all []string
	for _, line := range lines {
		all = append(all, line.Kind)
	}
	return strings.Join(all, " ")
}

func goldenFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/v1/" + name)
	require.NoError(t, err)
	return data
}

// TestDump dumps golden files of each kind: the lines cover each byte, in order.
func TestDump(t *testing.T) {
	for name, want := range map[string]string{
		"pruned/00000000000000000001.wal":        "header fact fact group",
		"interval/00000000000000000001.wal":      "header fact marker group marker fact marker group marker fact marker",
		"snapshot/00000000000000000015.snap":     "header block" + strings.Repeat(" fact", 12) + " group end",
		"snapshot/00000000000000000015.snap.idx": "header points ids stores keys",
	} {
		data, bodies := goldenFile(t, name), LogBodies
		if strings.HasSuffix(name, ".idx") {
			bodies = IndexBodies
		}
		lines, damaged := dumped(t, data, bodies)
		require.Zero(t, damaged)
		require.Equal(t, want, summary(lines), name)
		at, inBlock := int64(0), int64(0)
		for _, line := range lines {
			if line.Block != nil {
				require.Equal(t, inBlock, line.Offset)
				inBlock += line.Bytes
				continue
			}
			require.Equal(t, at, line.Offset, name)
			at += line.Bytes
		}
		require.EqualValues(t, len(data), at)
	}
	lines, _ := dumped(t, append(goldenFile(t, "segments/00000000000000000001.wal"), make([]byte, 100)...), LogBodies)
	last := lines[len(lines)-1]
	require.Equal(t, "zeros", last.Kind)
	require.EqualValues(t, 100, last.Bytes)

	// The entries of an index match its file.
	lines, _ = dumped(t, goldenFile(t, "pruned/00000000000000000001.wal.idx"), IndexBodies)
	require.JSONEq(t, `[[1,392]]`, string(lines[1].Content))
	require.Regexp(t, `^\[\[1,"named-1"\],\[3,"01900000-[-0-9]+"\],`, string(lines[2].Content))
	require.JSONEq(t, `["Läden","tasks"]`, string(lines[3].Content))
	require.Contains(t, string(lines[4].Content), `[0,1,"","named-1"]`)
}

// TestDumpDamage damages each frame of a file in turn: the dump reports it, and has all other frames.
func TestDumpDamage(t *testing.T) {
	for name, bodies := range map[string]string{
		"segments/00000000000000000001.wal": LogBodies, "snapshot/00000000000000000015.snap": LogBodies,
		"snapshot/00000000000000000015.snap.idx": IndexBodies,
	} {
		data := goldenFile(t, name)
		whole, _ := dumped(t, data, bodies)
		for i, line := range whole {
			if line.Block != nil {
				continue
			}
			bad := bytes.Clone(data)
			bad[line.Offset+line.Bytes/2] ^= 1
			lines, damaged := dumped(t, bad, bodies)
			require.Equal(t, 1, damaged, "%s at %d", name, line.Offset)
			var want, have []string
			for j, other := range whole {
				if j != i && (other.Block == nil || *other.Block != line.Offset) {
					want = append(want, fmt.Sprintf("%+v", other.Content))
				}
			}
			for _, other := range lines {
				if other.Kind == "damage" {
					require.Equal(t, []int64{line.Offset, line.Bytes}, []int64{other.Offset, other.Bytes})
					require.NotEmpty(t, other.Reason)
				} else {
					have = append(have, fmt.Sprintf("%+v", other.Content))
				}
			}
			require.Equal(t, want, have)
		}
	}
	for _, body := range []string{`{"no":"fact"}`, "not JSON", "\x28not zstd"} {
		lines, damaged := dumped(t, wire.AppendFrame(nil, []byte(body)), LogBodies)
		require.Equal(t, 1, damaged, body)
		require.Equal(t, "damage", summary(lines))
	}
}
