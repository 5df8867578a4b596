// SPDX-License-Identifier: Apache-2.0

package ruby_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/file/ruby"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

const rubyLogs = "../../../wire/testdata/wal/"

// expected returns what the Ruby system replays from one of its logs.
func expected(t *testing.T, name string) []backend.Fact {
	t.Helper()
	f, err := os.Open(rubyLogs + name + ".expect.jsonl")
	require.NoError(t, err)
	defer f.Close()
	var facts []backend.Fact
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fact, err := wire.CheckFact(slices.Clone(lines.Bytes()))
		require.NoError(t, err)
		facts = append(facts, fact)
	}
	return facts
}

// read returns the facts of a log.
func read(t *testing.T, l *ruby.Log) []backend.Fact {
	t.Helper()
	var facts []backend.Fact
	for f, err := range l.Facts() {
		require.NoError(t, err)
		facts = append(facts, f)
	}
	require.Len(t, facts, l.Len())
	require.NoError(t, l.Close())
	return facts
}

// asRecorded compares facts except for the fields that Ruby leaves out.
var asRecorded = cmp.Options{
	cmpopts.IgnoreFields(backend.Fact{}, "Seq"),
	cmp.Transformer("value", func(v json.RawMessage) string {
		if len(v) == 0 {
			return "null"
		}
		canonical, err := wire.AppendCanonical(nil, v)
		if err != nil {
			return err.Error()
		}
		return string(canonical)
	}),
}

// TestOpen reads each recorded log that Ruby reads whole: the facts, their order, IDs, times, causations and hashes are
// Ruby's. A log keeps them unchanged, and writing the same facts again adds none.
func TestOpen(t *testing.T) {
	for name, torn := range map[string]bool{
		"basic.wal": false, "with_snap.wal": false, "replaced.wal": false, "empty.wal": false,
		"trunc_body.wal": true, "trunc_header.wal": true, "trunc_crc.wal": true,
	} {
		t.Run(name, func(t *testing.T) {
			want := expected(t, name)
			l, err := ruby.Open(t.Context(), rubyLogs+name, ruby.Options{})
			require.NoError(t, err)
			require.Equal(t, torn, len(l.Cuts()) == 1)
			got := read(t, l)
			require.Empty(t, cmp.Diff(want, got, asRecorded))

			to, err := file.Open(t.Context(), file.Options{Path: t.TempDir()})
			require.NoError(t, err)
			for _, f := range append(got, got...) {
				_, err := to.WriteFact(t.Context(), f)
				require.NoError(t, err)
			}
			var held []backend.Fact
			for f, err := range backend.Facts(to.Replay(t.Context(), backend.Range{})) {
				require.NoError(t, err)
				held = append(held, f)
			}
			require.Empty(t, cmp.Diff(want, held, asRecorded))
			require.NoError(t, to.Close())
		})
	}
}

// TestDamaged checks that Open refuses damage and names its place. With SkipDamage it reads on after the damage, where Ruby
// does not.
func TestDamaged(t *testing.T) {
	whole := expected(t, "basic.wal")
	for name, lost := range map[string]int{
		"crc_middle.wal": 1, "body_flip_middle.wal": 1, "zero_length_frame.wal": 0, "bad_json_frame.wal": 0,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ruby.Open(t.Context(), rubyLogs+name, ruby.Options{})
			var corrupt *backend.CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.Equal(t, rubyLogs+name, corrupt.Path)
			require.Positive(t, corrupt.Offset)

			l, err := ruby.Open(t.Context(), rubyLogs+name, ruby.Options{SkipDamage: true})
			require.NoError(t, err)
			require.Len(t, l.Cuts(), 1)
			require.Equal(t, corrupt.Offset, l.Cuts()[0].Offset)
			want := slices.Clone(whole)
			if lost > 0 {
				want = slices.Delete(want, 5, 6)
			}
			require.Empty(t, cmp.Diff(want, read(t, l), asRecorded))
		})
	}
}

// TestOrder yields facts in the order of their transaction times, whatever their order in the file.
func TestOrder(t *testing.T) {
	facts := expected(t, "basic.wal")
	var log []byte
	for _, f := range slices.Backward(facts) {
		log = wire.AppendFrame(log, protocol.AppendFactV1(nil, &f))
	}
	path := filepath.Join(t.TempDir(), "log.wal")
	require.NoError(t, os.WriteFile(path, log, 0o644))
	l, err := ruby.Open(t.Context(), path, ruby.Options{})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(facts, read(t, l), asRecorded))
}

// TestChanged reports a file that was cut after Open.
func TestChanged(t *testing.T) {
	text, err := os.ReadFile(rubyLogs + "basic.wal")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "log.wal")
	require.NoError(t, os.WriteFile(path, text, 0o644))
	l, err := ruby.Open(t.Context(), path, ruby.Options{})
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, int64(len(text)/2)))
	var failed error
	for _, failed = range l.Facts() {
	}
	require.ErrorContains(t, failed, "read a fact again")
	require.NoError(t, l.Close())
}
