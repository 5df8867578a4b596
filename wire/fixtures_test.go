// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

// The files under testdata were recorded from the Ruby system.

type vector struct {
	Name, Canonical, Sha256 string
	ValueJSON               string `json:"value_json"`
}

func vectors(t testing.TB) []vector {
	data, err := os.ReadFile("testdata/value_hash.json")
	require.NoError(t, err)
	var file struct{ Vectors []vector }
	require.NoError(t, json.Unmarshal(data, &file))
	require.Len(t, file.Vectors, 31)
	return file.Vectors
}

func TestCanonicalVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			for _, src := range []string{v.ValueJSON, v.Canonical, " \n" + v.ValueJSON + "\t\r"} {
				form, err := wire.AppendCanonical([]byte("x"), []byte(src))
				require.NoError(t, err)
				require.Equal(t, "x"+v.Canonical, string(form))
				hash, err := wire.Hash([]byte(src))
				require.NoError(t, err)
				require.Equal(t, v.Sha256, hash)
			}
			require.Equal(t, v.Sha256, wire.HashCanonical([]byte(v.Canonical)))
		})
	}
}

// TestManyKeysTakeLittleMemory hashes an object of many short members whose keys are not in canonical order.
func TestManyKeysTakeLittleMemory(t *testing.T) {
	for _, member := range []string{`"%05x":0,`, `"\\%05x":0,`} {
		src, canonical := []byte{'{'}, []byte{'{'}
		const keys = 1 << 17
		for i := range keys {
			src = fmt.Appendf(src, member, i*7919%keys)
			canonical = fmt.Appendf(canonical, member, i)
		}
		src[len(src)-1], canonical[len(canonical)-1] = '}', '}'
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		hash, err := wire.Hash(src)
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		require.Equal(t, wire.HashCanonical(canonical), hash)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20*len(src)), "for %d bytes", len(src))

		form, err := wire.AppendCanonical([]byte("before"), src)
		require.NoError(t, err)
		require.True(t, bytes.Equal(append([]byte("before"), canonical...), form))
	}
}

func TestRubyLogs(t *testing.T) {
	// The number of whole frames, and the error at the end. The expect files have the results of Ruby for damaged logs; it
	// skips some damage silently, and we do not.
	logs := map[string]struct {
		frames int
		ends   any // io.EOF, *wire.TornError or *backend.CorruptError
		offset int64
	}{
		"basic":             {12, io.EOF, 4470},
		"with_snap":         {12, io.EOF, 4470},
		"replaced":          {1, io.EOF, 338},
		"trunc_body":        {11, new(wire.TornError), 4154},
		"trunc_header":      {11, new(wire.TornError), 4154},
		"trunc_crc":         {11, new(wire.TornError), 4154},
		"crc_middle":        {5, new(backend.CorruptError), 1960},
		"body_flip_middle":  {5, new(backend.CorruptError), 1960},
		"empty":             {0, io.EOF, 0},
		"zero_length_frame": {2, new(backend.CorruptError), 776},
		"bad_json_frame":    {13, io.EOF, 4487},
	}
	files, err := filepath.Glob("testdata/wal/*.wal")
	require.NoError(t, err)
	require.Len(t, files, len(logs))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".wal")
		t.Run(name, func(t *testing.T) {
			want := logs[name]
			stream, err := os.ReadFile(file)
			require.NoError(t, err)
			expect, err := os.ReadFile(file + ".expect.jsonl")
			require.NoError(t, err)
			lines := strings.Split(string(expect), "\n")

			bodies, offset, err := wiretest.ReadFrames(stream)
			require.IsType(t, want.ends, err)
			require.Equal(t, want.offset, offset)
			switch err := err.(type) {
			case *wire.TornError:
				require.Equal(t, offset, err.Offset)
				require.Equal(t, int64(len(stream)), err.Offset+err.Have)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			case *backend.CorruptError:
				require.Equal(t, offset, err.Offset)
				require.ErrorIs(t, err, backend.ErrCorrupt)
			default:
				require.Equal(t, io.EOF, err)
			}
			require.Len(t, bodies, want.frames)
			if name == "replaced" {
				lines = lines[3:] // the other facts are in its snapshot
			}
			for i, body := range bodies {
				if name == "bad_json_frame" && i == 2 {
					_, err := wire.CheckFact(body)
					require.ErrorIs(t, err, backend.ErrInvalid)
					lines = append(lines[:2:2], append([]string{""}, lines[2:]...)...)
					continue
				}
				require.Equal(t, lines[i], string(body))
				wiretest.RequireRubyFact(t, body)
			}
		})
	}
}

func TestRubySnapshots(t *testing.T) {
	for file, facts := range map[string]int{"replaced": 3, "with_snap": 8} {
		stream, err := os.ReadFile("testdata/wal/" + file + ".wal.snap")
		require.NoError(t, err)
		bodies, _, err := wiretest.ReadFrames(stream)
		require.Equal(t, io.EOF, err)
		require.Len(t, bodies, 1+facts, "a header and the facts")
		for _, body := range bodies[1:] {
			wiretest.RequireRubyFact(t, body)
		}
	}
}

func TestReaderTellsEndsApart(t *testing.T) {
	stream, err := os.ReadFile("testdata/wal/basic.wal")
	require.NoError(t, err)
	whole, _, err := wiretest.ReadFrames(stream)
	require.Equal(t, io.EOF, err)
	ends := map[int]int{0: 0} // offset of a frame's end: frames before it
	at := 0
	for i, body := range whole {
		at += len(body) + wire.FrameOverhead
		ends[at] = i + 1
	}

	for cut := range stream {
		bodies, offset, err := wiretest.ReadFrames(stream[:cut])
		if n, clean := ends[cut]; clean {
			require.Equal(t, io.EOF, err)
			require.Len(t, bodies, n)
			continue
		}
		var torn *wire.TornError
		require.ErrorAs(t, err, &torn, "cut at %d", cut)
		require.Equal(t, offset, torn.Offset)
		require.Equal(t, int64(cut), torn.Offset+torn.Have)
		require.Len(t, bodies, ends[int(offset)])
	}
	for bit := range len(stream) * 8 {
		damaged := bytes.Clone(stream)
		damaged[bit/8] ^= 1 << (bit % 8)
		bodies, offset, err := wiretest.ReadFrames(damaged)
		require.NotEqual(t, io.EOF, err, "bit %d flipped", bit)
		require.LessOrEqual(t, offset, int64(bit/8))
		require.Equal(t, len(bodies), ends[int(offset)], "damage is found at its frame")
		require.True(t, errors.Is(err, backend.ErrCorrupt) || errors.Is(err, io.ErrUnexpectedEOF))
	}
}
