// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

// A lateLog yields new facts after its loop was cancelled, like a page that was already being read.
type lateLog struct{ *memory.Log }

func (l lateLog) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		for _, reading := range []context.Context{ctx, context.WithoutCancel(ctx)} {
			for p, err := range l.ReplayFrames(reading, r) {
				if r.After = p.Through; !yield(p, err) {
					return
				}
			}
			<-ctx.Done()
		}
		yield(wire.Frames{}, ctx.Err())
	}
}

// TestLatePage: a heartbeat notices that a client may read fewer stores. A page that was read with the old access and comes
// later is not sent.
func TestLatePage(t *testing.T) {
	both := tasks
	both.Read = []string{"tasks", "notes"}
	tokens := newTokenFile(t, both)
	log := memory.New(memory.Options{})
	s := serve(t, "tcp", lateLog{log}, server.Options{Tokens: tokens.Tokens, Heartbeat: time.Millisecond})
	p := s.with(both)
	p.send(`{"op":"subscribe"}`)
	require.Contains(t, p.next(), `"ok":true`)
	_, err := log.WriteFact(t.Context(), backend.Fact{ID: "late", Store: "notes", Key: "k", Value: []byte("1")})
	require.NoError(t, err)
	tokens.reload(tasks)
	for {
		frame := p.next()
		require.NotContains(t, frame, "late")
		if strings.Contains(frame, `"error_code":"access_changed"`) {
			break
		}
	}
}
