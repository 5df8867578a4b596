// SPDX-License-Identifier: Apache-2.0

// Package gone checks what the calls of a log say while its place can't be reached.
package gone

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// patience is the deadline of a call.
const patience = 200 * time.Millisecond

// Check calls each method of a log whose place can't be reached, with a deadline. Each error must match
// context.DeadlineExceeded and backend.ErrUnavailable, and name the place. If the context has already ended, the error must
// match context.Canceled.
func Check(t testing.TB, l backend.Log, place string) {
	t.Helper()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(l) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := call(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.ErrorIs(t, err, backend.ErrUnavailable, name)
		require.ErrorContains(t, err, place, name)
		require.ErrorIs(t, call(done), context.Canceled, name)
	}
}

func calls(l backend.Log) map[string]func(ctx context.Context) error {
	facts := []backend.Fact{{ID: "gone-1", Store: "s", Key: "k", Value: []byte("1")}, {ID: "gone-2", Store: "s", Key: "k", Value: []byte("1")}}
	replay := func(ctx context.Context) (last error) {
		for _, err := range l.Replay(ctx, backend.Range{}) {
			last = err
		}
		return last
	}
	return map[string]func(ctx context.Context) error{
		"WriteFact": func(ctx context.Context) error { _, err := l.WriteFact(ctx, facts[0]); return err },
		"Write":     func(ctx context.Context) error { return l.Write(ctx, backend.Batch{Facts: facts})[0].Err },
		"Write of several": func(ctx context.Context) error {
			return l.Write(ctx, backend.Batch{Facts: facts[:1]}, backend.Batch{Facts: facts[1:]})[1].Err
		},
		"Write of an expectation": func(ctx context.Context) error {
			return l.Write(ctx, backend.Batch{Expect: []backend.Expect{{Store: "s", Key: "none"}}})[0].Err
		},
		"Replay": replay,
		"Stats":  func(ctx context.Context) error { _, err := l.Stats(ctx); return err },
		"Prune": func(ctx context.Context) error {
			_, err := l.Prune(ctx, slices.Values([]uint64{9}), backend.Horizon{})
			return err
		},
		"writers at once": func(ctx context.Context) error {
			all := make(chan error)
			for range 4 {
				go func() {
					_, err := l.WriteFact(ctx, facts[0])
					all <- err
				}()
			}
			err := <-all
			for range 3 {
				if another := <-all; errors.Is(err, backend.ErrUnavailable) {
					err = another
				}
			}
			return err
		},
	}
}
