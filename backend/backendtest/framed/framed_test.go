// SPDX-License-Identifier: Apache-2.0

package framed_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/backend/backendtest/framed"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/wire"
)

// TestFramesSuite checks that a log which is read through its frames passes the suite. With the race detector, the suite of
// package memory reads the same frames.
func TestFramesSuite(t *testing.T) {
	backendtest.Run(t, func(testing.TB, string) backend.Backend {
		return framed.Log(memory.New(memory.Options{}))
	}, &backendtest.Options{Volatile: true})
}

// A spoiler is a log that changes its frames before it yields them.
type spoiler struct {
	*memory.Log
	spoil func(wire.Frames, error) (wire.Frames, error)
}

func (s spoiler) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		for f, err := range s.Log.ReplayFrames(ctx, r) {
			if !yield(s.spoil(f, err)) {
				return
			}
		}
	}
}

func TestFaults(t *testing.T) {
	inner := memory.New(memory.Options{})
	_, err := inner.WriteFact(t.Context(), backend.Fact{ID: "i", Store: "s", Key: "k", Value: []byte("1")})
	require.NoError(t, err)
	failed := errors.New("failed")
	for what, c := range map[string]struct {
		spoil func(wire.Frames, error) (wire.Frames, error)
		want  string // in the error; "": none
		whole bool   // a page that is not zero comes with the error
	}{
		"nothing":       {func(f wire.Frames, err error) (wire.Frames, error) { return f, err }, "", true},
		"a wrong count": {func(f wire.Frames, err error) (wire.Frames, error) { f.Facts++; return f, err }, "have 1 facts, and say that they have 2", false},
		"a cut frame":   {func(f wire.Frames, err error) (wire.Frames, error) { f.Bytes = f.Bytes[:len(f.Bytes)-1]; return f, err }, "inside the frame", false},
		"a flipped bit": {func(f wire.Frames, err error) (wire.Frames, error) {
			f.Bytes = append([]byte{}, f.Bytes...)
			f.Bytes[9] ^= 1
			return f, err
		}, "CRC", false},
		"an error":           {func(wire.Frames, error) (wire.Frames, error) { return wire.Frames{}, failed }, "failed", false},
		"an error and facts": {func(f wire.Frames, _ error) (wire.Frames, error) { return f, failed }, "failed", true},
	} {
		for p, err := range framed.Log(spoiler{inner, c.spoil}).Replay(t.Context(), backend.Range{}) {
			if c.want == "" {
				require.NoError(t, err, what)
			} else {
				require.ErrorContains(t, err, c.want, what)
			}
			require.Equal(t, c.whole, len(p.Facts) > 0, what)
			break
		}
	}
	_, isFramer := framed.Log(inner).(wire.Framer)
	require.False(t, isFramer)
}
