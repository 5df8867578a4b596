// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/linear"
)

// raced names a log to the processes of TestLinearizable.
const raced = "IGNITER_POSTGRES_RACED"

func race() error {
	opts := Options{Address: os.Getenv(sharedAddress), Log: os.Getenv(raced)}
	l, err := Open(bg, opts)
	for errors.Is(err, backend.ErrUnavailable) { // its connection was already killed
		l, err = Open(bg, opts)
	}
	if err != nil {
		return err
	}
	return errors.Join(linear.Work(bg, l, rounds(40, 1000)), l.Close())
}

// Three processes write conditionally to the same keys, while their connections are killed. The results of their clients
// are linearizable.
func TestLinearizable(t *testing.T) {
	a := address(t)
	const log, processes = "linearizable", 3
	require.NoError(t, open(t, Options{Address: a, Log: log}).Close())
	racing, err := linear.Start(t.Context(), processes, raced+"="+log)
	require.NoError(t, err)
	total := processes * linear.Clients * rounds(40, 1000)
	conn := connect(t, a)
	killed := 0
	for range rounds(3, 50) {
		told := min(racing.Told()+60, total)
		awaitThat(t, func() bool { return racing.Told() >= told })
		killed += one[int](t, conn, `select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'igniter'`)
	}
	writes, err := racing.Wait()
	require.NoError(t, err)
	require.Len(t, writes, total)
	refused, err := linear.Check(writes)
	require.NoError(t, err)
	t.Logf("%d processes made %d conditional writes, %d were refused, %d connections were killed", processes, len(writes), refused, killed)
}
