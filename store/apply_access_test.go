// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/store"
)

// TestStoresThatMayNotBeRead writes between facts of stores that the writer's token may not read, to a store
// that it may read and to a store that it may only write. Writers do not wait for facts that will never come,
// and the engine shows what it may read.
func TestStoresThatMayNotBeRead(t *testing.T) {
	log := newLog(t)
	token, entry := auth.NewToken("app")
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "- {name: app, sha256: %s, read: [mine], write: [mine, drop]}\n", entry.SHA256), 0o600))
	tokens, err := auth.LoadTokens(path)
	require.NoError(t, err)
	client := dial(t, log, server.Options{Tokens: tokens}, token)

	others := openEngine(t, log)
	e := openEngine(t, client)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	write := func(e *store.Engine, name string, n int) backend.Fact {
		f, err := e.Write(ctx, backend.Fact{Store: name, Key: "k", Value: fmt.Append(nil, n)})
		require.NoError(t, err)
		return f
	}
	var mine []backend.Fact
	for n := range 3 {
		write(others, "theirs", n)
		write(e, "drop", n)
		write(others, "theirs", n)
		mine = append(mine, write(e, "mine", n), write(e, "mine", n+10))
	}
	write(others, "theirs", 9)
	mine = append(mine, write(others, "mine", 9))
	require.NoError(t, e.WaitFor(ctx, mine[len(mine)-1].Seq))
	require.Equal(t, mine, factsOf(e.Facts(t.Context(), "mine", 0)))
	require.ErrorIs(t, firstError(e.Facts(t.Context(), "drop", 0)), backend.ErrForbidden)
	require.ErrorIs(t, firstError(e.Facts(t.Context(), "theirs", 0)), backend.ErrForbidden)
}

// dial serves a log until the test ends, and returns a client with a token.
func dial(t *testing.T, log *memory.Log, opts server.Options, token string) backend.Log {
	s := servertest.Serve(t, log, "tcp", "", opts)
	c, err := network.Dial(t.Context(), network.Options{Address: s.Address, Token: token})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}
