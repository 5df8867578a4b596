package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCollector collects every metric after some requests; Prometheus's linter accepts them.
func TestCollector(t *testing.T) {
	dir := t.TempDir()
	log, err := file.Open(t.Context(), file.Options{Path: dir + "/log"})
	require.NoError(t, err)
	defer log.Close()
	s := server.New(log, server.Options{SlowOp: 1})
	l, err := server.Listen("unix", dir+"/s")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	client, err := network.Dial(t.Context(), network.Options{Address: dir + "/s"})
	require.NoError(t, err)
	_, err = client.WriteFact(t.Context(), backend.Fact{ID: "a", Store: "s", Key: "k", Value: []byte("1")})
	require.NoError(t, err)
	_, err = client.WriteFact(t.Context(), backend.Fact{ID: "a", Store: "s", Key: "k", Value: []byte("2")})
	require.ErrorIs(t, err, backend.ErrIDReused)
	require.NoError(t, client.Close())

	c := New(s)
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 32)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP igniter_errors_total Requests that failed, by the code of the answer.
# TYPE igniter_errors_total counter
igniter_errors_total{code="id_reused"} 1
# HELP igniter_facts_in_total Facts that clients wrote.
# TYPE igniter_facts_in_total counter
igniter_facts_in_total 1
# HELP igniter_log_last_seq The last seq that the log gave.
# TYPE igniter_log_last_seq gauge
igniter_log_last_seq 1
# HELP igniter_ready 1 while the server serves, 0 while it drains.
# TYPE igniter_ready gauge
igniter_ready 1
`), "igniter_errors_total", "igniter_facts_in_total", "igniter_log_last_seq", "igniter_ready"))
	require.NoError(t, s.Close())
	require.NoError(t, <-served)
}
