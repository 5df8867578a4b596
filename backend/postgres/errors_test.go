// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// Each error code is converted to an error of the contract, and says whether another trip may succeed.
func TestCodes(t *testing.T) {
	for codes, want := range map[string]struct {
		verdict verdict
		err     error
	}{
		"40001 40P01 25P03 57P01 57P02 57P03 08000 08006 08P01": {again, backend.ErrUnavailable},
		"53100":                   {final, backend.ErrFull},
		"55P03 57014 53300 25006": {final, backend.ErrUnavailable},
		"42501":                   {final, backend.ErrForbidden},
		"28000 28P01":             {final, backend.ErrUnauthenticated},
		"3D000 42P01 3F000":       {final, backend.ErrInvalid},
	} {
		for code := range strings.FieldsSeq(codes) {
			v, err := judge(&pgconn.PgError{Code: code, Message: "m"})
			require.Equal(t, want.verdict, v, code)
			require.ErrorIs(t, err, want.err, code)
			require.ErrorContains(t, err, code)
			_, twice := judge(err)
			require.Equal(t, err, twice, "it has its name")
		}
	}
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, errAgain, errMoved, context.DeadlineExceeded} {
		v, named := judge(err)
		require.Equal(t, again, v)
		require.ErrorIs(t, named, err)
	}
	other := errors.New("other")
	for _, err := range []error{other, &pgconn.PgError{Code: "XX000"}, &backend.DivergedError{}, nil} {
		v, named := judge(err)
		require.Equal(t, final, v)
		require.Equal(t, err, named)
	}
}

// A wrong address fails at once, and the error never shows the password.
func TestOpenFails(t *testing.T) {
	_, err := Open(t.Context(), Options{Address: "postgres://app:hush@127.0.0.1:1/app"})
	require.ErrorIs(t, err, backend.ErrUnavailable)
	require.NotContains(t, err.Error(), "hush")
	_, err = Open(t.Context(), Options{Address: "postgres://app:hush@:x/app"})
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.NotContains(t, err.Error(), "hush")
	_, err = Open(t.Context(), Options{Address: strings.Replace(address(t), "dbname=postgres", "dbname=none", 1)})
	require.ErrorIs(t, err, backend.ErrInvalid)
	_, err = Open(t.Context(), Options{Address: strings.Replace(address(t), "user=postgres", "user=none", 1)})
	require.ErrorIs(t, err, backend.ErrUnauthenticated)
	_, err = Open(t.Context(), Options{Log: "a\x00b"})
	require.ErrorIs(t, err, backend.ErrInvalid)
}

func TestConfig(t *testing.T) {
	a := address(t)
	l, err := backend.Open(t.Context(), "postgres", backend.Config{Address: a, Settings: map[string]any{"log": "configured", "max_frame": 1000}})
	require.NoError(t, err)
	require.Equal(t, 1000, l.Features().MaxFrame)
	require.NoError(t, l.Close())
	for _, c := range []backend.Config{
		{Address: a, Path: "p"}, {Address: a, Token: "t"}, {Address: a, Settings: map[string]any{"log": 1}}, {Address: a, Settings: map[string]any{"log": ""}},
		{Address: a, Settings: map[string]any{"lug": "x"}}, {Address: a, Settings: map[string]any{"max_frame": -1}},
	} {
		_, err := backend.Open(t.Context(), "postgres", c)
		require.ErrorIs(t, err, backend.ErrInvalid, "%+v", c)
	}
}

// A commit whose wait for a synchronous standby was cancelled is not acknowledged. Writing its facts again is acknowledged
// only once a standby has them.
func TestUnreplicated(t *testing.T) {
	t.Parallel()
	s := start(t)
	l := open(t, Options{Address: s.Address("postgres", "postgres")})
	defer l.Close()
	conn := connect(t, s.Address("postgres", "postgres"))
	exec1(t, conn, `set synchronous_commit = local`)
	standby := func(name string) {
		exec1(t, conn, `alter system set synchronous_standby_names = '`+name+`'`)
		exec1(t, conn, `select pg_reload_conf()`)
	}
	waits := func() {
		t.Helper()
		awaitThat(t, func() bool {
			return one[bool](t, conn, `select exists (select from pg_stat_activity where wait_event = 'SyncRep')`)
		})
	}
	f := backend.Fact{ID: "a", Store: "s", Key: "k", Value: []byte("1")}
	standby("nobody")
	awaitThat(t, func() bool { return one[string](t, conn, `show synchronous_standby_names`) == "nobody" })
	var all sync.WaitGroup
	var err error
	all.Go(func() { _, err = l.WriteFact(t.Context(), f) })
	waits()
	exec1(t, conn, `select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`)
	all.Wait()
	require.ErrorIs(t, err, backend.ErrUnavailable)
	require.ErrorContains(t, err, "standby")

	var held backend.Fact
	all.Go(func() { held, err = l.WriteFact(t.Context(), f) })
	waits() // the fact is held, but the write still waits
	standby("")
	all.Wait()
	require.NoError(t, err)
	require.Equal(t, uint64(1), held.Seq)
}
