// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
)

// output holds what a tour prints; it can be read meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// TestTwoTours runs two tours on one server: each sees the other's facts, and the one that watches sees them as they
// come.
func TestTwoTours(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	s := servertest.Serve(t, log, "tcp", "", server.Options{})
	defer s.Stop()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var first, second output
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-backend", "network", "-address", s.Address, "-watch"}, &first)
	}()
	prints := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(first.String(), text) }, time.Minute, time.Millisecond, text)
	}
	prints("Facts as they come")
	require.NotContains(t, first.String(), "This log is not new")
	require.NoError(t, run(t.Context(), []string{"-backend", "network", "-address", s.Address}, &second))
	require.Contains(t, second.String(), "it holds facts through seq 24 from before")
	require.Contains(t, second.String(), "0 of them are new to this log")
	prints(`todo/milk = {"done":false,"title":"Buy oat milk"}  {"who":"bob","why":"lactose"}`)
	prints("seq 34 ")
	cancel()
	require.NoError(t, <-ended)
}
