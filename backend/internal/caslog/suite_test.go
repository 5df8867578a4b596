// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stores has the places of tests by their directories.
type stores struct {
	mu  sync.Mutex
	all map[string]*store
}

func (s *stores) in(dir string) *store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*store{}
	}
	if s.all[dir] == nil {
		s.all[dir] = newStore(backend.NewLogID(), nil)
	}
	return s.all[dir]
}

func (s *stores) open(t testing.TB, dir string) backend.Backend {
	l, err := Open(context.WithoutCancel(t.Context()), s.in(dir).port(nil), Options{})
	require.NoError(t, err)
	return l
}

// restore replaces the log in dir by a restored one.
func (s *stores) restore(t testing.TB, dir string, through uint64) {
	from := s.in(dir)
	ctx := context.WithoutCancel(t.Context())
	source, err := Open(ctx, from.port(nil), Options{})
	require.NoError(t, err)
	to := newStore(backend.NewLogID(), backend.Inherit(from.id, from.ancestors, through))
	_, err = Restore(ctx, to.port(nil), Options{}, source.Stats, source.Replay(ctx, backend.Range{Through: through}))
	require.NoError(t, err)
	require.NoError(t, source.Close())
	from.replace(to)
}

// TestSuite skips only the case that kills a process, since the place is in its memory.
func TestSuite(t *testing.T) {
	t.Parallel()
	if raceEnabled && soak() == 1 {
		t.Skip("it takes minutes with the race detector: run it without, as .ci/run does, or with IGNITER_SOAK")
	}
	var s stores
	opts := &backendtest.Options{InProcess: true, Restore: s.restore}
	require.Equal(t, []string{"reopen-killed"}, backendtest.Skipped(opts))
	backendtest.Run(t, s.open, opts)
}
