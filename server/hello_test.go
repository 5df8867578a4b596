// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// A namelessLog fails to return its Stats for a while.
type namelessLog struct {
	*memory.Log
	err atomic.Pointer[error]
}

func (l *namelessLog) Stats(ctx context.Context) (backend.Stats, error) {
	if err := l.err.Load(); err != nil {
		return backend.Stats{}, *err
	}
	return l.Log.Stats(ctx)
}

// TestHelloWithoutIdentity: a client that does not get the log's identity could mix up two logs. So hello is refused, and
// works later.
func TestHelloWithoutIdentity(t *testing.T) {
	log, away := &namelessLog{Log: memory.New(memory.Options{})}, errors.New("away")
	log.err.Store(&away)
	s := serve(t, "tcp", log, server.Options{})
	p := s.dial()
	require.Regexp(t, `"error_code":"unavailable".*away`, p.ask(`{"op":"hello","protocol":2}`))
	log.err.Store(nil)
	require.Contains(t, s.dial().ask(`{"op":"hello","protocol":2}`), `"ok":true`)
}
