// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
)

// logOf returns the name of the log for a directory.
func logOf(dir string) string {
	parts := strings.Split(filepath.ToSlash(dir), "/")
	return strings.Join(parts[max(0, len(parts)-3):], "/")
}

func open(t testing.TB, opts Options) *Log {
	t.Helper()
	l, err := Open(context.WithoutCancel(t.Context()), opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSuite(t *testing.T) {
	if raceEnabled && !soak {
		t.Skip("it takes minutes with the race detector: run it without, as .ci/run does, or with IGNITER_SOAK=1")
	}
	a := address(t)
	opts := &backendtest.Options{Restore: func(t testing.TB, dir string, through uint64) { restore(t, a, logOf(dir), through) }}
	require.Empty(t, backendtest.Skipped(opts))
	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend {
		return open(t, Options{Address: a, Log: logOf(dir)})
	}, opts)
}

// restore sets a log back to an earlier seq, with a new identity.
func restore(t testing.TB, address, name string, through uint64) {
	t.Helper()
	conn := connect(t, address)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	var number int32
	require.NoError(t, tx.QueryRow(t.Context(), `select log from igniter.log where name = $1`, name).Scan(&number))
	var p place
	run := pipeline{tx}
	require.NoError(t, run.run(t.Context(), p.statements(number, settings, lockRow)...))
	_, err = tx.Exec(t.Context(), `delete from igniter.fact where log = $1 and seq > $2`, number, int64(through))
	require.NoError(t, err)
	p.last.seq = through
	require.NoError(t, run.run(t.Context(), renewal(number, &p, p.origin)...))
	require.NoError(t, tx.Commit(t.Context()))
}
