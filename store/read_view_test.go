// SPDX-License-Identifier: Apache-2.0

package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// A reader that loaded the head before facts were dropped does not read as of that head without them.
func TestViewsAfterADrop(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	e, err := Open(t.Context(), l, Options{})
	require.NoError(t, err)
	defer e.Close()
	for range 3 {
		_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
	}
	before := e.view("s")
	e.mu.Lock()
	e.replace(e.namespace("s").without(func(r Record) bool { return r.Seq() < 3 }, false, e.Head()))
	e.mu.Unlock()
	require.Equal(t, uint64(3), e.view("s").since)
	n := 0
	for range before.facts(0) {
		n++
	}
	require.Equal(t, 3, n, "a view keeps what it had")

	e.head.Store(2) // as for a reader that was stopped in between
	seen := make(chan view)
	go func() { seen <- e.view("s") }()
	select {
	case v := <-seen:
		require.Fail(t, "a view lacks facts", "head %d, since %d", v.head, v.since)
	default:
	}
	e.head.Store(3)
	require.Equal(t, uint64(3), (<-seen).head)
}
