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

func openLog(t *testing.T, opts file.Options) *file.Log {
	t.Helper()
	l, err := file.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func replay(t *testing.T, b backend.Backend) []backend.Fact {
	t.Helper()
	var facts []backend.Fact
	for f, err := range backend.Facts(b.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		facts = append(facts, f)
	}
	return facts
}

// asRecorded compares facts without what the log fills in or Ruby leaves out.
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

// TestImport imports each recorded log that Ruby reads whole, twice: facts, order, IDs, times, causations and
// hashes are Ruby's, and the second time nothing is new.
func TestImport(t *testing.T) {
	for name, torn := range map[string]bool{
		"basic.wal": false, "with_snap.wal": false, "replaced.wal": false, "empty.wal": false,
		"trunc_body.wal": true, "trunc_header.wal": true, "trunc_crc.wal": true,
	} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, file.Options{Path: t.TempDir()})
			want := expected(t, name)
			var done [2]uint64
			report, err := ruby.Import(t.Context(), l, rubyLogs+name, ruby.Options{Progress: func(facts, total uint64) {
				require.Greater(t, facts, done[0])
				done = [2]uint64{facts, total}
			}})
			require.NoError(t, err)
			require.EqualValues(t, len(want), report.Facts)
			require.EqualValues(t, len(want), report.New)
			require.Equal(t, [2]uint64{report.Facts, report.Facts}, done)
			require.Equal(t, torn, len(report.Cuts) == 1)
			require.Empty(t, cmp.Diff(want, replay(t, l), asRecorded))

			report, err = ruby.Import(t.Context(), l, rubyLogs+name, ruby.Options{})
			require.NoError(t, err)
			require.EqualValues(t, len(want), report.Facts)
			require.Zero(t, report.New)
			require.Len(t, replay(t, l), len(want))
		})
	}
}

// TestImportDamaged refuses damage, says where it is, and imports nothing; with SkipDamage it reads on behind
// it, where Ruby does not.
func TestImportDamaged(t *testing.T) {
	whole := expected(t, "basic.wal")
	for name, lost := range map[string]int{
		"crc_middle.wal": 1, "body_flip_middle.wal": 1, "zero_length_frame.wal": 0, "bad_json_frame.wal": 0,
	} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, file.Options{Path: t.TempDir()})
			_, err := ruby.Import(t.Context(), l, rubyLogs+name, ruby.Options{})
			var corrupt *backend.CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.Equal(t, rubyLogs+name, corrupt.Path)
			require.Positive(t, corrupt.Offset)
			require.Empty(t, replay(t, l))

			report, err := ruby.Import(t.Context(), l, rubyLogs+name, ruby.Options{SkipDamage: true})
			require.NoError(t, err)
			require.Len(t, report.Cuts, 1)
			require.Equal(t, corrupt.Offset, report.Cuts[0].Offset)
			want := slices.Clone(whole)
			if lost > 0 {
				want = slices.Delete(want, 5, 6)
			}
			require.Empty(t, cmp.Diff(want, replay(t, l), asRecorded))
		})
	}
}

// TestImportOrder checks that seqs follow the transaction times, whatever the order in the file.
func TestImportOrder(t *testing.T) {
	facts := expected(t, "basic.wal")
	var log []byte
	for _, f := range slices.Backward(facts) {
		log = wire.AppendFrame(log, protocol.AppendFactV1(nil, &f))
	}
	path := filepath.Join(t.TempDir(), "log.wal")
	require.NoError(t, os.WriteFile(path, log, 0o644))
	l := openLog(t, file.Options{Path: t.TempDir()})
	_, err := ruby.Import(t.Context(), l, path, ruby.Options{})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(facts, replay(t, l), asRecorded))
}
