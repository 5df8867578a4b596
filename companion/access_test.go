// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// A change of what a token may read or do reaches open Stores, which then show exactly what they may read.
func TestAccessThatChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	sum := sha256.Sum256([]byte("secret"))
	set := func(read string) {
		text := "[]"
		if read != "" {
			text = fmt.Sprintf("- {name: app, sha256: %s, read: %s, write: [\"*\"]}\n", hex.EncodeToString(sum[:]), read)
		}
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	set(`["*"]`)
	tokens, err := auth.LoadTokens(file)
	require.NoError(t, err)
	grant := func(read string) {
		set(read)
		require.NoError(t, tokens.Reload())
	}
	l := memory.New(memory.Options{})
	defer l.Close()
	s := servertest.Serve(t, l, "tcp", "", server.Options{Tokens: tokens, Heartbeat: 50 * time.Millisecond})
	defer s.Stop()
	n := 0
	write := func(stores ...string) {
		for _, name := range stores {
			n++
			_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: name, Key: fmt.Sprint(n), Value: []byte("1")})
			require.NoError(t, err)
		}
	}
	open := func(stores ...string) *companion.Store {
		app, err := companion.Open(t.Context(), companion.Options{
			Backend: "network", Address: s.Address, Token: "secret", Stores: stores, Logger: zap.NewNop(),
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, app.Close()) })
		return app
	}
	shown := func(app *companion.Store) (keys []string) {
		for _, name := range []string{"prices", "stock"} {
			for r, err := range app.Engine().Facts(t.Context(), name, 0) {
				if err == nil {
					keys = append(keys, name+r.Key())
				} else {
					require.ErrorIs(t, err, backend.ErrForbidden)
				}
			}
		}
		return keys
	}
	eventually := func(app *companion.Store, want ...string) {
		t.Helper()
		slices.Sort(want)
		for deadline := time.Now().Add(time.Minute); !slices.Equal(shown(app), want); runtime.Gosched() {
			if time.Now().After(deadline) {
				require.Equal(t, want, shown(app), "%v, %+v", app.Engine().Err(), app.Health())
			}
		}
		require.NoError(t, app.Engine().Err())
	}

	write("prices", "stock")
	all, some := open(), open("prices", "stock")
	grant(`[prices]`)
	narrow := open()
	eventually(narrow, "prices1")
	write("prices", "stock")
	for _, app := range []*companion.Store{all, some, narrow} {
		eventually(app, "prices1", "prices3")
	}
	grant(`["*"]`)
	wide := open()
	write("prices", "stock")
	for _, app := range []*companion.Store{all, some, narrow, wide} {
		eventually(app, "prices1", "prices3", "prices5", "stock2", "stock4", "stock6")
	}

	grant("") // the token is not known for a moment
	records, err := companion.NewRecords[int](all, "prices")
	require.NoError(t, err)
	_, err = records.Put(t.Context(), "k", 1)
	require.ErrorIs(t, err, backend.ErrUnauthenticated)
	for all.Health().Healthy() {
		runtime.Gosched()
	}
	require.ErrorIs(t, all.Health().Err, backend.ErrUnauthenticated)
	grant(`["*"]`)
	write("stock")
	for _, app := range []*companion.Store{all, some, narrow, wide} {
		eventually(app, "prices1", "prices3", "prices5", "stock2", "stock4", "stock6", "stock7")
		require.True(t, app.Health().Healthy())
	}
	_, err = records.Put(t.Context(), "k", 1)
	require.NoError(t, err)
}
