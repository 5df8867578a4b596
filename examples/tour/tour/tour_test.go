// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden file again")

// varying matches what differs from run to run: IDs and times of the tour's own facts. Their widths are the same.
var varying = regexp.MustCompile(`…[0-9a-f]{8}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`)

func TestTour(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	got := varying.ReplaceAllStringFunc(out.String(), func(s string) string {
		return string(bytes.Repeat([]byte("*"), len([]rune(s))))
	})
	golden := filepath.Join("testdata", "tour.golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestTourOnFiles runs twice on one directory: the second run finds the facts of the first, imports no fact
// of the recorded log again, and shows the same for the two time axes.
func TestTourOnFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	var first, second bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-backend", "file", "-path", dir}, &first))
	require.NotContains(t, first.String(), "This log is not new")
	require.Contains(t, first.String(), "12 of them are new to this log")
	require.NoError(t, run(t.Context(), []string{"-backend", "file", "-path", dir}, &second))
	require.Contains(t, second.String(), "it holds facts through seq 24 from before")
	require.Contains(t, second.String(), "0 of them are new to this log")
	for _, out := range []string{first.String(), second.String()} {
		require.Regexp(t, `(?m)^ +15 October +900 +900$`, out)
		require.Regexp(t, `(?m)^ +15 November +900 +950$`, out)
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-backend", "nonesuch"}, `"nonesuch" is not known: the known ones are file, memory, network`},
		{[]string{"-path", "x"}, `backend "memory" does not use it`},
		{[]string{"extra"}, `unexpected argument "extra"`},
		{[]string{"-wal", "testdata/none.wal"}, "none.wal"},
	} {
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), c.args, &out), c.want)
	}
}

// A damaged log is loaded up to the damage, which is reported; a log whose last write was cut short is
// loaded up to that.
func TestDamagedLogs(t *testing.T) {
	damaged := bytes.Clone(recorded)
	damaged[2000] ^= 1
	path := filepath.Join(t.TempDir(), "ruby.wal")
	require.NoError(t, os.WriteFile(path, damaged, 0o600))
	var out bytes.Buffer
	err := run(t.Context(), []string{"-wal", path}, &out)
	require.ErrorIs(t, err, backend.ErrCorrupt)
	require.ErrorContains(t, err, "after 5 facts")
	require.ErrorContains(t, err, "at byte 1960")

	require.NoError(t, os.WriteFile(path, recorded[:len(recorded)-1], 0o600))
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-wal", path}, &out))
	require.Contains(t, out.String(), "11 facts of 9 keys")
	require.Contains(t, out.String(), "cut short")
	require.Contains(t, out.String(), "Two time axes")
}

func TestPrinter(t *testing.T) {
	require.Equal(t, 11, width("ключ/日本/é"))
	require.Equal(t, `a\u0001\u2028é`, printable("a\x01\u2028é"))
	require.Equal(t, "日…", cut("日本語", 4))
	require.Equal(t, "abc", cut("abc", 3))
}
