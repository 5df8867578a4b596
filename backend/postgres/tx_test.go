// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// inTxs runs a test with a transaction of each kind. begin begins a transaction, and returns functions that commit it and
// roll it back.
func inTxs(t *testing.T, log string, test func(t *testing.T, l *Log, log string, begin func(level string) (tx Tx, exec func(sql string), commit, rollback func() error))) {
	a := address(t)
	t.Run("pgx", func(t *testing.T) {
		pool, err := pgxpool.New(t.Context(), a)
		require.NoError(t, err)
		defer pool.Close()
		l := open(t, Options{Pool: pool, Log: log + "-pgx"})
		defer l.Close()
		test(t, l, log+"-pgx", func(level string) (Tx, func(string), func() error, func() error) {
			tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.TxIsoLevel(level)})
			require.NoError(t, err)
			exec := func(sql string) { _, err := tx.Exec(t.Context(), sql); require.NoError(t, err) }
			return PGX(tx), exec, func() error { return tx.Commit(t.Context()) }, func() error { return tx.Rollback(t.Context()) }
		})
	})
	for _, driver := range []string{"pgx", "postgres"} { // of database/sql; postgres is lib/pq
		t.Run("sql-"+driver, func(t *testing.T) {
			db, err := sql.Open(driver, a+" sslmode=disable")
			require.NoError(t, err)
			defer db.Close()
			name := log + "-sql-" + driver
			l := open(t, Options{Address: a, Log: name})
			defer l.Close()
			levels := map[string]sql.IsolationLevel{"": sql.LevelDefault, "repeatable read": sql.LevelRepeatableRead, "serializable": sql.LevelSerializable}
			test(t, l, name, func(level string) (Tx, func(string), func() error, func() error) {
				tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: levels[level]})
				require.NoError(t, err)
				exec := func(sql string) { _, err := tx.ExecContext(t.Context(), sql); require.NoError(t, err) }
				return SQL(tx), exec, tx.Commit, tx.Rollback
			})
		})
	}
}

// Facts of InTx are in the log only once the transaction is committed; seqs have no gap.
func TestInTx(t *testing.T) {
	inTxs(t, "in-tx", func(t *testing.T, l *Log, log string, begin func(string) (Tx, func(string), func() error, func() error)) {
		batch := func(n int, expect ...backend.Expect) backend.Batch {
			return backend.Batch{Expect: expect, Facts: []backend.Fact{
				{ID: fmt.Sprint("tx-", n), Store: "s", Key: "k\x00é", Value: []byte(` {"n": 1.00} `), Producer: []byte(`"p"`)},
				{ID: fmt.Sprint("tx-", n, "-b"), Store: "s", Key: "other", Value: []byte("null")},
			}}
		}
		pages := make(chan backend.Page)
		ctx, cancel := context.WithCancel(t.Context())
		var follower sync.WaitGroup
		follower.Go(func() {
			for p, err := range l.Follow(ctx, backend.Range{}) {
				if err != nil {
					return
				}
				select {
				case pages <- p:
				case <-ctx.Done():
				}
			}
		})
		defer follower.Wait()
		defer cancel()
		require.Empty(t, (<-pages).Facts)

		tx, _, _, rollback := begin("")
		w, err := InTx(t.Context(), tx, log, batch(0))
		require.NoError(t, err)
		require.Equal(t, uint64(1), w.First)
		require.NoError(t, rollback())
		tx, exec, commit, _ := begin("")
		exec(`set local enable_sort = on`)
		w, err = InTx(t.Context(), tx, log, batch(1, backend.Expect{Store: "s", Key: "other"}))
		require.NoError(t, err)
		require.Equal(t, uint64(1), w.First)
		exec(`do $$ begin
			if current_setting('enable_sort') <> 'on' or current_setting('enable_seqscan') <> 'on' or current_setting('lock_timeout') <> '0' then raise 'settings are left'; end if;
		end $$`)
		facts, _ := read(t, l, backend.Range{})
		require.Empty(t, facts, "it is not committed")

		// All other writers wait for the commit.
		var waiting sync.WaitGroup
		waiting.Go(func() { put(t, l, 0, 1) })
		conn := connect(t, address(t))
		awaitThat(t, func() bool {
			return one[bool](t, conn, `select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%for no key update')`)
		})
		require.NoError(t, commit())
		waiting.Wait()
		facts, _ = read(t, l, backend.Range{})
		require.Equal(t, w.Facts, facts[:2])
		require.Len(t, facts, 3)
		for n := 0; n < 3; {
			n += len((<-pages).Facts)
		}

		// A batch written again, a refused one, and one after the refusal.
		tx, _, commit, _ = begin("")
		again, err := InTx(t.Context(), tx, log, batch(1))
		require.NoError(t, err)
		require.Equal(t, backend.Written{Facts: w.Facts}, again)
		_, err = InTx(t.Context(), tx, log, batch(2, backend.Expect{Store: "s", Key: "other", ID: "nothing"}))
		require.ErrorIs(t, err, backend.ErrConflict)
		_, err = InTx(t.Context(), tx, log, backend.Batch{Facts: []backend.Fact{{ID: "tx-1", Store: "s", Key: "else", Value: []byte("1")}}})
		require.ErrorIs(t, err, backend.ErrIDReused)
		w, err = InTx(t.Context(), tx, log, batch(3, backend.Expect{Store: "s", Key: "other", ID: "tx-1-b"}))
		require.NoError(t, err)
		require.Equal(t, uint64(4), w.First)
		require.Equal(t, "tx-1", w.Facts[0].Causation)
		require.NoError(t, commit())
		_, err = InTx(t.Context(), tx, log, batch(4))
		require.Error(t, err, "the transaction is over")

		require.Equal(t, 2, one[int](t, conn, `select count(*) from igniter.facts where log = $1 and store = 's' and key is null and transaction_time > 1e9`, log), "PostgreSQL's text holds no U+0000")
		require.Equal(t, "tx-3-b", one[string](t, conn, `select id from igniter.facts where log = $1 and key = 'other' order by seq desc limit 1`, log))

		tx, _, _, rollback = begin("")
		_, err = InTx(t.Context(), tx, "no-such-log", batch(4))
		require.ErrorIs(t, err, backend.ErrInvalid)
		require.NoError(t, rollback())
		for _, level := range []string{"repeatable read", "serializable"} {
			tx, exec, _, rollback = begin(level)
			exec(`select count(*) from igniter.log`) // the transaction takes its snapshot now
			_, err = InTx(t.Context(), tx, log, backend.Batch{Expect: []backend.Expect{{Store: "s", Key: "k"}}})
			require.ErrorIs(t, err, backend.ErrInvalid)
			put(t, l, 10+len(level), 1)
			_, err = InTx(t.Context(), tx, log, batch(4))
			require.ErrorIs(t, err, backend.ErrUnavailable)
			require.ErrorContains(t, err, "begin")
			require.NoError(t, rollback())
			tx, _, commit, _ = begin(level)
			_, err = InTx(t.Context(), tx, log, batch(len(level)))
			require.NoError(t, err)
			require.NoError(t, commit())
		}
	})
}

// Transactions that write rows in any order and facts last do not deadlock.
func TestInTxLast(t *testing.T) {
	a := address(t)
	const log = "in-tx-last"
	pool, err := pgxpool.New(t.Context(), a)
	require.NoError(t, err)
	defer pool.Close()
	l := open(t, Options{Address: a, Log: log})
	conn := connect(t, a)
	exec1(t, conn, `create table if not exists in_tx_last (n int primary key, times int not null)`)
	exec1(t, conn, `insert into in_tx_last select n, 0 from generate_series(0, 3) n`)
	c := startCrew(t, 2, l)
	var all sync.WaitGroup
	const each = 25
	for w := range 4 {
		all.Go(func() {
			for i := range each {
				tx, err := pool.Begin(t.Context())
				if err == nil {
					_, err = tx.Exec(t.Context(), `update in_tx_last set times = times + 1 where n = $1`, w)
				}
				if err == nil {
					_, err = InTx(t.Context(), PGX(tx), log, backend.Batch{Facts: []backend.Fact{{ID: fmt.Sprint("last-", w, "-", i), Store: "rows", Key: fmt.Sprint(w), Value: []byte("1")}}})
				}
				if err == nil {
					err = tx.Commit(t.Context())
				}
				if err != nil {
					t.Errorf("transaction %d of %d: %v", i, w, err)
					return
				}
			}
		})
	}
	all.Wait()
	acked := c.stop(a, log)
	require.NoError(t, l.Close())
	require.Equal(t, 4*each, one[int](t, conn, `select sum(times) from in_tx_last`))
	require.Equal(t, 4*each, one[int](t, conn, `select count(*) from igniter.facts where log = $1 and store = 'rows'`, log))
	t.Logf("%d transactions beside %d other facts", 4*each, acked)
}

// Two followers that derive the same rows apply each page once.
func TestAdvance(t *testing.T) {
	inTxs(t, "advance", func(t *testing.T, l *Log, log string, begin func(string) (Tx, func(string), func() error, func() error)) {
		put(t, l, 0, 3)
		position := func() backend.Cursor {
			tx, _, commit, _ := begin("")
			c, err := Position(t.Context(), tx, log, "rows")
			require.NoError(t, err)
			require.NoError(t, commit())
			return c
		}
		require.Zero(t, position())
		_, through := read(t, l, backend.Range{Through: 2})
		advance := func(from, to backend.Cursor, end func(commit, rollback func() error) error) error {
			tx, _, commit, rollback := begin("")
			err := Advance(t.Context(), tx, log, "rows", from, to)
			if err != nil {
				require.NoError(t, rollback())
				return err
			}
			return end(commit, rollback)
		}
		commits := func(commit, _ func() error) error { return commit() }
		require.NoError(t, advance(backend.Cursor{}, through, func(_, rollback func() error) error { return rollback() }))
		require.Zero(t, position())
		require.NoError(t, advance(backend.Cursor{}, through, commits))
		require.Equal(t, through, position())
		require.ErrorIs(t, advance(backend.Cursor{}, through, commits), ErrMoved)
		_, end := read(t, l, backend.Range{})
		require.ErrorIs(t, advance(end, through, commits), ErrMoved)
		require.NoError(t, advance(through, end, commits))
		require.Equal(t, end, position())
	})
}
