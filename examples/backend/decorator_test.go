// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

var errReadOnly = fmt.Errorf("%w: this log is read-only", backend.ErrForbidden)

// readOnly returns a log that refuses to be changed.
func readOnly(l backend.Log) backend.Log {
	return backend.Intercept(l, backend.Hooks{
		Write: func(_ context.Context, batches []backend.Batch, _ func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			return backend.Refused(len(batches), errReadOnly)
		},
		Prune: func(context.Context, iter.Seq[uint64], backend.Horizon, func(context.Context, iter.Seq[uint64], backend.Horizon) (backend.PruneReport, error)) (backend.PruneReport, error) {
			return backend.PruneReport{}, errReadOnly
		},
	})
}

func TestReadOnly(t *testing.T) {
	l := open(t, t.TempDir())
	_, err := l.WriteFact(t.Context(), fact("a"))
	require.NoError(t, err)
	r := readOnly(l)
	_, err = r.WriteFact(t.Context(), fact("b"))
	require.ErrorIs(t, err, backend.ErrForbidden)
	require.ErrorIs(t, r.Write(t.Context(), backend.Batch{})[0].Err, backend.ErrForbidden)
	require.Equal(t, []string{"a"}, ids(t, l))
	for f, err := range backend.Facts(r.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		require.Equal(t, "a", f.ID)
	}
}

// The page that walks through this example shows it as it is: each block of code that begins with a file's name
// is in that file.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/writing-a-backend.md")
	require.NoError(t, err)
	shown := 0
	for _, block := range strings.Split(string(page), "```go\n")[1:] {
		name, block, ok := strings.Cut(block, "\n")
		name, comment := strings.CutPrefix(name, "// ")
		if !ok || !comment || !strings.HasSuffix(name, ".go") {
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		code, _, _ := strings.Cut(block, "```")
		require.Contains(t, string(source), code, "%s has changed", name)
		shown++
	}
	require.Equal(t, 7, shown)
}
