// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCollector collects every metric after some requests; Prometheus's linter accepts them.
func TestCollector(t *testing.T) {
	dir := t.TempDir()
	log, err := file.Open(t.Context(), file.Options{Path: dir + "/log"})
	require.NoError(t, err)
	defer log.Close()
	s := servertest.Serve(t, log, "unix", dir+"/s", server.Options{SlowOp: 1})
	client, err := network.Dial(t.Context(), network.Options{Address: s.Address})
	require.NoError(t, err)
	_, err = client.WriteFact(t.Context(), backend.Fact{ID: "a", Store: "s", Key: "k", Value: []byte("1")})
	require.NoError(t, err)
	_, err = client.WriteFact(t.Context(), backend.Fact{ID: "a", Store: "s", Key: "k", Value: []byte("2")})
	require.ErrorIs(t, err, backend.ErrIDReused)
	require.NoError(t, client.Close())

	c := New(s.Server, Site{
		Requests: func() []web.RequestCount {
			return []web.RequestCount{{Route: "/v1/facts", Code: 200, Client: "app", Count: 2}, {Route: "/v1/facts", Code: 403, Client: "bi", Count: 1}}
		},
		Subscribers: func() []web.Subscriber {
			return []web.Subscriber{{Subscription: server.Subscription{Token: "app", Lag: 3}}, {Subscription: server.Subscription{Token: "app", Lag: 7}}}
		},
		About: func() web.About {
			return web.About{DiskFree: 5, Certificate: &web.Certificate{NotAfter: time.Unix(9, 0)}, Reloaded: &web.Reloaded{Time: time.Unix(8, 0)}}
		},
		Stores: func() (all []query.Store) {
			for i := range 102 {
				all = append(all, query.Store{Store: fmt.Sprint(i), Facts: 2, Bytes: 3})
			}
			return all
		},
	})
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 45)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP igniter_facts_in_total Facts that clients wrote.
# TYPE igniter_facts_in_total counter
igniter_facts_in_total 1
# HELP igniter_log_last_seq The last seq that the log gave.
# TYPE igniter_log_last_seq gauge
igniter_log_last_seq 1
# HELP igniter_subscriber_lag_seqs How many seqs the slowest subscriber of a token is behind the log.
# TYPE igniter_subscriber_lag_seqs gauge
igniter_subscriber_lag_seqs{token="app"} 7
# HELP igniter_last_reload_success 1 if all of them could be read then.
# TYPE igniter_last_reload_success gauge
igniter_last_reload_success 0
# HELP igniter_certificate_not_after_seconds When the server's certificate ends, in seconds since 1970.
# TYPE igniter_certificate_not_after_seconds gauge
igniter_certificate_not_after_seconds 9
# HELP igniter_writable 1 while the server takes writes.
# TYPE igniter_writable gauge
igniter_writable 1
# HELP igniter_ready 1 while the server serves, 0 while it drains.
# TYPE igniter_ready gauge
igniter_ready 1
`), "igniter_subscriber_lag_seqs", "igniter_last_reload_success", "igniter_certificate_not_after_seconds", "igniter_writable", "igniter_facts_in_total", "igniter_log_last_seq", "igniter_ready"))
	errors := 0
	for _, f := range families {
		if f.GetName() == "igniter_errors_total" {
			errors = len(f.GetMetric())
		}
		if f.GetName() == "igniter_store_facts" {
			require.Len(t, f.GetMetric(), 101)
		}
		if f.GetName() == "igniter_sync_duration_seconds" {
			require.Positive(t, f.GetMetric()[0].GetHistogram().GetSampleCount())
		}
	}
	require.Equal(t, len(protocol.ErrorCodes()), errors, "each code is there from the start")
	s.Stop()
}
