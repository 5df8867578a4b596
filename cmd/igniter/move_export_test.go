// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExportGolden exports each golden log. The reader in Python prints the same, see TestGoldenLogs in examples/python.
func TestExportGolden(t *testing.T) {
	all, err := filepath.Glob("../../backend/file/testdata/v*/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, golden := range all {
		dir := strings.TrimSuffix(golden, ".jsonl")
		t.Run(strings.TrimPrefix(dir, "../../backend/file/testdata/"), func(t *testing.T) {
			own := filepath.Join(t.TempDir(), "log") // opening a log of an earlier format adds a file
			require.NoError(t, os.CopyFS(own, os.DirFS(dir)))
			var out, trouble bytes.Buffer
			cmd := (&app{in: strings.NewReader(""), out: &out, err: &trouble}).rootCommand()
			cmd.SetArgs([]string{"export", "--path", own})
			require.NoError(t, cmd.ExecuteContext(t.Context()), trouble.String())
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String())
		})
	}
}
