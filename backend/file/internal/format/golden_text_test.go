// SPDX-License-Identifier: Apache-2.0

package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/wire"
)

// bodies returns the bodies of the frames in a file.
func bodies(t *testing.T, data []byte) []string {
	var all []string
	for r := wire.NewReader(bytes.NewReader(data), 0); ; {
		body, err := r.Next()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, string(body))
	}
}

// unnamed returns bodies without the parts that differ between logs and between machines: names, and a marker directly
// before the last frame, which the log has if the flusher synced after the last write and before Close.
func unnamed(all []string) []string {
	all[0] = named.ReplaceAllString(all[0], "")
	if n := len(all); n > 1 && strings.Replace(all[n-1], "closed", "synced", 1) == all[n-2] {
		all = slices.Delete(all, n-2, n-1)
	}
	return all
}

var named = regexp.MustCompile(`,"(log|boot)":"[0-9a-f-]{36}"`)

var sha = regexp.MustCompile(`"sha256":"[0-9a-f]{64}"`)

// unpacked returns the content of a snapshot, independent of the compressor: its header without the hash, and the content
// of its blocks.
func unpacked(t *testing.T, data []byte) []string {
	all := bodies(t, data)
	all[0] = sha.ReplaceAllString(unnamed(all)[0], `"sha256":""`)
	d, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer d.Close()
	for i, body := range all {
		if body[0] == 0x28 {
			block, err := d.DecodeAll([]byte(body), nil)
			require.NoError(t, err)
			all[i] = strings.Join(bodies(t, block), "\n")
		}
	}
	return all
}

// TestFormat checks the golden files against the drawing of the formats, without the code that reads and
// writes them.
func TestFormat(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(goldenDir, name))
		require.NoError(t, err)
		return data
	}
	matches := func(pattern, body string) {
		t.Helper()
		require.Regexp(t, "^"+pattern+"$", body)
	}
	const (
		seconds = `\d+\.\d{1,9}`
		fact    = `\{"seq":\d+,"id":"[^"]+","store":"[^"]+","key":"[^"]*"(,"causation":"[^"]+")?,"transaction_time":` + seconds +
			`(,"valid_time":-?` + seconds + `)?(,"schema_version":\d+)?,"value_hash":"[0-9a-f]{64}"(,"producer":.+)?(,"derivation":.+)?,"value":.+\}`
		group = `\[\n` + fact + `(,\n` + fact + `)+\n\]`
	)
	// A segment: a header, then a frame for each fact or group.
	first := bodies(t, read("segments/00000000000000000001.wal"))
	require.Equal(t, `{"igniter":"wal","version":1,"first_seq":1,"created_at":1767323045.0,"sync":"always"}`, first[0])
	for i, body := range first[1:] {
		if i == 6 {
			matches(group, body)
			require.Equal(t, 3, strings.Count(body, `{"seq":`))
			continue
		}
		matches(fact, body)
	}
	names, err := filepath.Glob(filepath.Join(goldenDir, "segments/*.wal"))
	require.NoError(t, err)
	require.Len(t, names, 3, "two are sealed, one is active")
	active := bodies(t, read("segments/"+filepath.Base(names[2])))
	matches(`\{"igniter":"wal","version":1,"first_seq":`+strings.TrimLeft(strings.TrimSuffix(filepath.Base(names[2]), ".wal"), "0")+
		`,"created_at":`+seconds+`,"sync":"always"\}`, active[0])
	matches(group, active[len(active)-1])

	// Length, body and CRC, all big-endian, byte by byte.
	require.Equal(t, "\x00\x00\x00\x55{\"igniter\"", string(read("segments/00000000000000000001.wal")[:14]))

	// After a prune, the header has the number of remaining facts, and is filled with spaces.
	pruned := bodies(t, read("pruned/00000000000000000001.wal"))
	matches(`\{"igniter":"wal","version":1,"first_seq":1,"last_seq":7,"facts":4,"created_at":`+seconds+`\} +`, pruned[0])
	require.Len(t, pruned[0], 384)
	require.Len(t, pruned, 1+2+1)
	matches(group, pruned[3])
	require.Equal(t, 2, strings.Count(pruned[3], `{"seq":`))
	none := bodies(t, read("pruned-snapshot/00000000000000000006.wal"))
	matches(`\{"igniter":"wal","version":1,"first_seq":6,"last_seq":7,"facts":0,"created_at":`+seconds+`\} +`, none[0])
	require.Len(t, none, 1)

	// A snapshot: a header with the hash of what follows, compressed blocks of frames, an end.
	data := read("snapshot/00000000000000000015.snap")
	snapshot := bodies(t, data)
	matches(`\{"igniter":"snapshot","version":1,"first_seq":1,"last_seq":15,"facts":15,"created_at":`+seconds+`,"sha256":"[0-9a-f]{64}"\} +`, snapshot[0])
	require.Len(t, snapshot[0], 384)
	require.Contains(t, snapshot[0], wire.HashCanonical(data[384+wire.FrameOverhead:]))
	require.Len(t, snapshot, 3)
	require.Equal(t, "\x28\xb5\x2f\xfd", snapshot[1][:4], "zstd")
	require.Equal(t, `{"end":1,"facts":15}`, snapshot[2])
	for i, body := range strings.SplitAfterN(unpacked(t, data)[1], "}\n", 13) {
		if i < 12 {
			matches(fact, strings.TrimSuffix(body, "\n"))
		} else {
			matches(group, body)
		}
	}

	// A marker follows each sync.
	interval := bodies(t, read("interval/00000000000000000001.wal"))
	matches(`\{"igniter":"wal","version":1,"first_seq":1,"created_at":`+seconds+`,"sync":"interval"\}`, interval[0])
	for i, through := range []int{1, 3, 4, 6, 7} {
		pattern := fact
		if i%2 == 1 {
			pattern = group
		}
		matches(pattern, interval[1+2*i])
		require.Equal(t, fmt.Sprintf(`{"synced":%d}`, through), interval[2+2*i])
	}
	require.Len(t, interval, 11)

	// In version 2, files name their log, and a marker says that a closed log's facts are all durable.
	const log, boot = `,"log":"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"`, `(,"boot":"[0-9a-f-]{36}")?`
	v2 := func(name string) []string {
		data, err := os.ReadFile(filepath.Join(goldenDir2, name))
		require.NoError(t, err)
		return bodies(t, data)
	}
	matches(`\{"igniter":"wal","version":2,"first_seq":1,"created_at":`+seconds+`,"sync":"always"`+log+`\}`, v2("segments/00000000000000000001.wal")[0])
	matches(`\{"igniter":"wal","version":2,"first_seq":1,"last_seq":7,"facts":4,"created_at":`+seconds+
		`,"horizons":\{"tasks":\{"seq":7,"time":"2026-01-02T03:04:11.25Z"\}\}`+log+`\} +`, v2("pruned/00000000000000000001.wal")[0])
	matches(`\{"igniter":"snapshot","version":2,"first_seq":1,"last_seq":15,"facts":15,"created_at":`+seconds+`,"sha256":"[0-9a-f]{64}"`+log+`\} +`,
		v2("snapshot/00000000000000000015.snap")[0])
	interval = v2("interval/00000000000000000001.wal")
	matches(`\{"igniter":"wal","version":2,"first_seq":1,"created_at":`+seconds+`,"sync":"interval"`+boot+log+`\}`, interval[0])
	require.Equal(t, `{"closed":7}`, interval[len(interval)-1])

	// An index names its file.
	index, err := wire.NewReader(bytes.NewReader(read("pruned/00000000000000000001.wal.idx")), 0).Next()
	require.NoError(t, err)
	matches(`\{"igniter":"index","version":1,"first_seq":1,"last_seq":7,"facts":4,"created_at":`+seconds+
		`,"file":"00000000000000000001.wal","size":\d+,"check":\d+,"last_time":`+seconds+`,"points":\d+,"ids":4,"keys":\d+\}`, string(index))
}

// TestGoldenPlain checks that the golden directories have only files of logs.
func TestGoldenPlain(t *testing.T) {
	names := map[string]bool{}
	for _, x := range goldens {
		names[x.name], names[x.name+".jsonl"] = true, true
		_, err := os.Stat(filepath.Join(goldenDir, x.name, "LOCK"))
		require.True(t, errors.Is(err, os.ErrNotExist))
	}
	for _, dir := range []string{goldenDir, goldenDir2} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			require.True(t, names[e.Name()], e.Name())
		}
	}
}
