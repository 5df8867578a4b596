// SPDX-License-Identifier: Apache-2.0

// Package vectors checks the test vectors of docs/format.md and docs/protocol.md against the code.
package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

var update = flag.Bool("update", false, "write the vectors that can be computed")

// check compares a file of vectors with what the code computes.
func check[T any](t *testing.T, name string, compute func(T) T) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var file struct {
		About   string
		Vectors []T
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Vectors)
	want := make([]T, len(file.Vectors))
	for i, v := range file.Vectors {
		want[i] = compute(v)
	}
	if *update {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		require.NoError(t, e.Encode(map[string]any{"about": file.About, "vectors": want}))
		require.NoError(t, os.WriteFile(name, out.Bytes(), 0o644))
		return
	}
	require.Empty(t, cmp.Diff(want, file.Vectors))
}

// A frame whose body is the text, or what is wrong with it.
type frame struct {
	Name   string `json:"name"`
	Frame  string `json:"frame"` // in hex
	Body   string `json:"body"`  // if the frame is whole
	Damage string `json:"damage,omitempty"`
}

func TestFrames(t *testing.T) {
	check(t, "frames.json", func(v frame) frame {
		if v.Damage == "" {
			v.Frame = hex.EncodeToString(wire.AppendFrame(nil, []byte(v.Body)))
		}
		raw, err := hex.DecodeString(v.Frame)
		require.NoError(t, err)
		got, err := wire.NewReader(bytes.NewReader(raw), wire.MaxMaxFrame).Next()
		torn, _ := errors.AsType[*wire.TornError](err)
		if v.Damage == "" {
			require.NoError(t, err, v.Name)
			require.Equal(t, v.Body, string(got))
		} else {
			require.True(t, errors.Is(err, backend.ErrCorrupt) || torn != nil, "%s: %v", v.Name, err)
		}
		return v
	})
}

// A value, its canonical form and the hash of that, as recorded from the Ruby system.
type value struct {
	Name      string `json:"name"`
	Value     string `json:"value_json"`
	Canonical string `json:"canonical"`
	SHA256    string `json:"sha256"`
}

func TestCanonical(t *testing.T) {
	check(t, "canonical.json", func(v value) value {
		form, err := wire.AppendCanonical(nil, []byte(v.Value))
		require.NoError(t, err)
		v.Canonical, v.SHA256 = string(form), wire.HashCanonical(form)
		return v
	})
}

// A time as text, and in nanoseconds since 1970.
type instant struct {
	Text        string `json:"text"`
	Nanoseconds int64  `json:"nanoseconds"`
	ReadOnly    bool   `json:"read_only,omitempty"` // it is read, and written in another way
}

func TestTimes(t *testing.T) {
	check(t, "times.json", func(v instant) instant {
		got, err := wire.ParseTime([]byte(v.Text))
		require.NoError(t, err, v.Text)
		v.Nanoseconds = got.UnixNano()
		v.ReadOnly = string(wire.AppendTime(nil, time.Unix(0, v.Nanoseconds))) != v.Text
		return v
	})
}

// A log's facts, its leaves in hex, and the root after each.
type tree struct {
	Name   string   `json:"name"`
	Facts  []string `json:"facts"`
	Leaves []string `json:"leaves"`
	Roots  []string `json:"roots"` // in base64, of 1, 2, … leaves
}

func TestTree(t *testing.T) {
	check(t, "tree.json", func(v tree) tree {
		v.Leaves, v.Roots = nil, nil
		r := merkle.NewRange(0)
		for i, text := range v.Facts {
			f, err := wire.CheckFact([]byte(text))
			require.NoError(t, err)
			require.Equal(t, text, string(wire.AppendFact(nil, &f)), "as logs have it")
			leaf := merkle.Leaf(append([]byte{merkle.LeafPrefix}, text...))
			r.Add(merkle.Node{First: uint64(i), Hash: leaf})
			v.Leaves = append(v.Leaves, hex.EncodeToString(leaf[:]))
			v.Roots = append(v.Roots, backend.RootHash(r.Root()).String())
		}
		return v
	})
}

// The codec's own tests use the same vectors of the canonical form.
func TestOneSource(t *testing.T) {
	ours, err := os.ReadFile("canonical.json")
	require.NoError(t, err)
	codecs, err := os.ReadFile("../../wire/testdata/value_hash.json")
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(codecs), "\n") {
		if strings.Contains(line, `"sha256"`) {
			require.Contains(t, string(ours), strings.TrimSpace(line))
		}
	}
}
