// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/pgserver"
)

type server = pgserver.Server

// shared is the server of most tests; the processes that tests start use it too.
var shared struct {
	address string
	missing error // why there is no server
}

const sharedAddress = "IGNITER_POSTGRES_ADDRESS"

// address returns the shared server's database, or skips the test if PostgreSQL is not installed.
func address(t testing.TB) string {
	t.Helper()
	if shared.missing != nil {
		t.Skipf("no server: %v", shared.missing)
	}
	return shared.address
}

// start returns a server that only this test uses.
func start(t testing.TB, settings ...string) *server {
	t.Helper()
	address(t)
	s, err := pgserver.New(settings...)
	require.NoError(t, err)
	t.Cleanup(s.Remove)
	return s
}

// connect returns a connection of the test's own.
func connect(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec1(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}
