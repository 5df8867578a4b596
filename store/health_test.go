// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Trouble that can pass does not end an engine: it tries again, Health tells it, and writes fail with the log's error.
func TestTroubleThatPasses(t *testing.T) {
	for name, trouble := range map[string]error{
		"away": backend.ErrUnavailable, "token": backend.ErrUnauthenticated, "grant": backend.ErrForbidden,
		"certificate": fmt.Errorf("say hello: %w", &tls.CertificateVerificationError{Err: errors.New("unknown authority")}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			var passed atomic.Bool
			e, err := store.Open(t.Context(), followed{writes(l, func(ctx context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
				if passed.Load() {
					return next(ctx, batches...)
				}
				return []backend.Written{{Err: trouble}}
			}), func(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
				if passed.Load() {
					return l.Follow(ctx, r)
				}
				return func(yield func(backend.Page, error) bool) { yield(backend.Page{}, trouble) }
			}}, store.Options{Logger: zap.NewNop()})
			require.NoError(t, err)
			defer e.Close()
			for e.Health().Healthy() {
				runtime.Gosched()
			}
			h := e.Health()
			require.ErrorIs(t, h.Err, trouble)
			require.False(t, h.Since.IsZero())
			require.NoError(t, e.Err())
			_, err = e.Write(t.Context(), fact("k", 1))
			require.ErrorIs(t, err, trouble)
			passed.Store(true)
			f, err := l.WriteFact(t.Context(), withID(fact("k", 2), "theirs"))
			require.NoError(t, err)
			require.NoError(t, e.WaitFor(t.Context(), f.Seq))
			require.True(t, e.Health().Healthy())
			_, err = e.Write(t.Context(), fact("k", 3))
			require.NoError(t, err)
		})
	}
}

// A connection that is down shows in Health, although the backend's own loop goes on trying.
func TestHealthTellsTheConnection(t *testing.T) {
	l := newLog(t)
	c := &backend.Connection{Address: "tcp://x", LastError: "reset"}
	e, err := store.Open(t.Context(), withConnection{l, c}, store.Options{})
	require.NoError(t, err)
	h := e.Health()
	require.ErrorIs(t, h.Err, backend.ErrUnavailable)
	require.ErrorContains(t, h.Err, "tcp://x: reset")
	c.Up = true
	h = e.Health()
	require.True(t, h.Healthy())
	require.Equal(t, c, h.Connection)
	require.NoError(t, e.Close())
	require.ErrorIs(t, e.Health().Err, backend.ErrClosed)
}

type withConnection struct {
	backend.Log
	connection *backend.Connection
}

func (w withConnection) Stats(ctx context.Context) (backend.Stats, error) {
	stats, err := w.Log.Stats(ctx)
	stats.Connection = w.connection
	return stats, err
}

// A write without a deadline ends after WriteTimeout.
func TestWriteTimeout(t *testing.T) {
	stuck := writes(newLog(t), func(ctx context.Context, _ []backend.Batch, _ func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
		<-ctx.Done()
		return []backend.Written{{Err: ctx.Err()}}
	})
	e, err := store.Open(t.Context(), stuck, store.Options{WriteTimeout: time.Millisecond})
	require.NoError(t, err)
	defer e.Close()
	_, err = e.Write(context.Background(), fact("k", 1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = e.WriteBatch(context.Background(), backend.Batch{Facts: []backend.Fact{fact("k", 1)}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = store.Open(t.Context(), stuck, store.Options{WriteTimeout: -1})
	require.ErrorIs(t, err, backend.ErrInvalid)
}
