// SPDX-License-Identifier: Apache-2.0

package bank

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/companion/companiontest"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
)

func TestMain(m *testing.M) {
	if as := os.Getenv(asEnv); as != "" {
		if err := beOther(as, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, as+":", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestBank(t *testing.T) {
	for _, args := range [][]string{nil, {"-backend", "file", "-path", t.TempDir(), "-transfers", "3"}} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), args, &out))
		require.Contains(t, out.String(), "all accounts have 8000 together now")
		if args == nil {
			require.NotContains(t, out.String(), " 0 refused", "poor accounts are a part of the example")
		}
		require.Contains(t, out.String(), "before the correction: 2.0 %")
		require.Contains(t, out.String(), "after the correction: 2.5 %")
	}
}

// Two processes that share a server move the same money.
func TestBanksOnOneServer(t *testing.T) {
	log := memory.New(memory.Options{})
	s := servertest.Serve(t, log, "tcp", "", server.Options{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			var out bytes.Buffer
			if err := run(t.Context(), []string{"-backend", "network", "-address", s.Address, "-tellers", "8", "-transfers", "5"}, &out); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.Stop()
	left, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	b, err := newBank(left)
	require.NoError(t, err)
	transfers, err := b.audit(t.Context())
	require.NoError(t, err)
	require.Greater(t, transfers, 40)
	require.NoError(t, left.Close())
	require.NoError(t, log.Close())
}

// The statement of a day does not change later.
func TestStatements(t *testing.T) {
	s, clock := companiontest.New(t, companion.Options{})
	b, err := newBank(s)
	require.NoError(t, err)
	require.NoError(t, b.open(t.Context()))
	for range 2 {
		clock.Advance(24 * time.Hour)
		require.NoError(t, b.transfer(t.Context(), Transfer{name(0), name(1), 600}))
		err := b.transfer(t.Context(), Transfer{name(0), name(1), 600})
		require.ErrorIs(t, err, errPoor)
		require.NoError(t, b.transfer(t.Context(), Transfer{name(2), name(0), 300}))
	}
	for days, want := range []string{
		"account-0  1000\naccount-1  1000\naccount-2  1000\n",
		"account-0  700\naccount-1  1600\naccount-2  700\n",
		"account-0  400\naccount-1  2200\naccount-2  400\n",
	} {
		var out bytes.Buffer
		require.NoError(t, b.statement(t.Context(), companiontest.Start.AddDate(0, 0, days), &out))
		require.Contains(t, out.String(), want)
		require.Contains(t, out.String(), fmt.Sprintf("together, at the end of 2024-01-0%d: 8000", days+1))
	}
	var out bytes.Buffer
	require.NoError(t, b.statement(t.Context(), companiontest.Start.AddDate(0, 0, -1), &out))
	require.Equal(t, "together, at the end of 2023-12-31: 0\n", out.String())

	dir := t.TempDir()
	require.NoError(t, run(t.Context(), []string{"-backend", "file", "-path", dir, "-transfers", "1"}, &out))
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-backend", "file", "-path", dir, "-day", "2024-01-01"}, &out))
	require.Equal(t, "together, at the end of 2024-01-01: 0\n", out.String())
	require.ErrorContains(t, run(t.Context(), []string{"-day", "today"}, &out), "today")
}
