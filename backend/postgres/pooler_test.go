// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"

	"github.com/igniter-store/igniter/internal/pgserver"
)

// startPooler starts PgBouncer in transaction mode for a server, and returns its address.
func startPooler(t testing.TB, direct string) string {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
		if _, err := os.Stat(path); err != nil {
			t.Skip("PgBouncer is not installed")
		}
	}
	socket := one[string](t, connect(t, direct), `select current_setting('unix_socket_directories')`)
	dir, err := pgserver.NewDir()
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	uid, gid, err := pgserver.Owner()
	require.NoError(t, err)
	file := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`[databases]
postgres = host=%s port=5432 user=postgres pool_size=5
[pgbouncer]
listen_addr =
listen_port = 5432
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
max_client_conn = 100
`, socket, dir)), 0o644))
	cmd := exec.Command(path, file)
	cmd.SysProcAttr = pgserver.Attributes(uid, gid)
	var out pgserver.Output
	cmd.Stdout, cmd.Stderr = &out, &out
	ended, err := pgserver.Spawn(cmd)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	a := "host=" + dir + " port=5432 user=postgres dbname=postgres"
	awaitThat(t, func() bool {
		select {
		case <-ended:
			t.Fatalf("PgBouncer ended: %s", out.String())
		default:
		}
		conn, err := pgx.Connect(t.Context(), a+" default_query_exec_mode=exec")
		if err == nil {
			_ = conn.Close(context.Background())
		}
		return err == nil
	})
	return a
}

// Through a pooler that gives each transaction another connection, there is no alarm, and connections keep no state.
func TestPooler(t *testing.T) {
	a := startPooler(t, address(t))
	const log = "pooler"
	one, two := open(t, Options{Address: a, Log: log}), open(t, Options{Address: a, Log: log})
	require.True(t, one.pooled)
	require.Equal(t, pollPooled, one.Features().Poll)
	c := startCrew(t, 4, one, two)
	seen := 0
	for f, err := range backend.Facts(two.Follow(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		if seen++; f.Seq == 200 {
			break
		}
	}
	require.Equal(t, 200, seen)
	acked := c.stop(a+" default_query_exec_mode=exec", log)
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
	t.Logf("%d facts were acknowledged", acked)

	pool, err := pgxpool.New(t.Context(), a)
	require.NoError(t, err)
	defer pool.Close()
	_, err = Open(t.Context(), Options{Pool: pool, Log: log})
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "QueryExecModeExec")
}

// The suite through a pooler.
func TestPoolerSuite(t *testing.T) {
	if !soak {
		t.Skip("IGNITER_SOAK is not 1")
	}
	direct := address(t)
	a := startPooler(t, direct)
	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend {
		return open(t, Options{Address: a, Log: "pooler/" + logOf(dir)})
	}, &backendtest.Options{InProcess: true, Restore: func(t testing.TB, dir string, through uint64) { restore(t, direct, "pooler/"+logOf(dir), through) }})
}
