// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// Other clients may keep transactions open for any time: the log's row gets no dead versions, since writers do not update
// it.
func TestForeignTransaction(t *testing.T) {
	a := address(t)
	l := open(t, Options{Address: a, Log: "foreign"})
	defer l.Close()
	put(t, l, 0, 1)
	conn, other := connect(t, a), connect(t, a)
	exec1(t, other, `begin isolation level repeatable read`)
	exec1(t, other, `select count(*) from igniter.fact`)
	const version = `select ctid::text from igniter.log where name = 'foreign'`
	before := one[string](t, conn, version)
	put(t, l, 1, 200)
	require.Equal(t, before, one[string](t, conn, version))
}

// A process that stops between its two trips locks the log's row. The server ends its transaction after a while, and other
// writers go on.
func TestHolderStops(t *testing.T) {
	a := address(t)
	l := open(t, Options{Address: a, Log: "holder"})
	defer l.Close()
	put(t, l, 0, 1)
	holder := connect(t, a)
	short := strings.Replace(settings, "'idle_in_transaction_session_timeout', '10s'", "'idle_in_transaction_session_timeout', '300ms'", 1)
	require.NotEqual(t, settings, short)
	exec1(t, holder, begin)
	exec1(t, holder, short)
	exec1(t, holder, lockRow, l.number)
	put(t, l, 1, 1)
	_, err := holder.Exec(t.Context(), commit)
	require.Error(t, err, "it was ended")
}

// A caller does not wait longer than its context lasts, and the committer goes on with the other writes.
func TestWriteWaits(t *testing.T) {
	a := address(t)
	l := open(t, Options{Address: a, Log: "waits"})
	defer l.Close()
	holder := connect(t, a)
	exec1(t, holder, begin)
	exec1(t, holder, lockRow, l.number)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { put(t, l, 0, 1) })
	conn := connect(t, a)
	awaitThat(t, func() bool {
		return one[bool](t, conn, `select exists (select from pg_locks where not granted and pid in (select pid from pg_stat_activity where application_name = 'igniter'))`)
	})
	var err error
	all.Go(func() {
		_, err = l.WriteFact(ctx, backend.Fact{ID: "left", Store: "s", Key: "k", Value: []byte("1")})
	})
	awaitThat(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue) == 1
	})
	cancel()
	awaitThat(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue) == 0
	})
	exec1(t, holder, commit)
	all.Wait()
	require.ErrorIs(t, err, context.Canceled)
	facts, _ := read(t, l, backend.Range{})
	require.Len(t, facts, 1)
}

// Processes that start at the same time create the tables and the log once.
func TestStartsAtOnce(t *testing.T) {
	a := address(t)
	conn := connect(t, a)
	exec1(t, conn, `drop database if exists starts`)
	exec1(t, conn, `create database starts`)
	a = strings.Replace(a, "dbname=postgres", "dbname=starts", 1)
	var all sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		all.Go(func() {
			l, err := Open(t.Context(), Options{Address: a})
			if errs[i] = err; err == nil {
				_, errs[i] = l.WriteFact(t.Context(), backend.Fact{ID: "same", Store: "s", Key: "k", Value: []byte("1")})
				_ = l.Close()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	exec1(t, conn, `drop database starts`)
}
