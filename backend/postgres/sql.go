// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Rules of the statements. PostgreSQL plans them early, while tables are empty, and keeps the plans when tables are large.
// So each lookup has an order and a limit of one, and compares whole rows: only the right index can serve that. The caller,
// or the query after the limit, checks the row that was found. Limits are literal. Scans of whole tables and sorts are
// turned off, and a statement is planned once per connection, see settings.
const (
	begin     = `begin isolation level read committed`
	beginRead = `begin isolation level repeatable read read only`
	commit    = `commit`

	// settings apply to the transaction. They limit the time of a writer that stops between its two trips, which would
	// block all others, and forbid sequential scans, which would stay in a plan. They never lower durability.
	settings = `select concat(set_config('synchronous_commit', case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, true),
	set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '10s', true), set_config('lock_timeout', '30s', true), ` + plans + `), ` + serverKey

	// patience lets a transaction that sends much data be idle for longer, since the server counts the time until a
	// statement has arrived completely.
	patience = `select set_config('idle_in_transaction_session_timeout', $1::text, true) where current_setting('idle_in_transaction_session_timeout') = '10s'`

	settingsRead = `select concat(` + plans + `), ` + serverKey

	plans = `set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_hashjoin', 'off', true),
	set_config('enable_mergejoin', 'off', true), set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true), set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)`

	// serverKey changes when the server was restarted, or is another one.
	serverKey = `pg_postmaster_start_time()::text || ' ' || pg_is_in_recovery()::text`

	row     = `select tableoid::bigint, identity::text, origin, floor_seq, floor_sec, floor_nsec, pruned from igniter.log where log = $1`
	lockRow = row + ` for no key update`

	head = `select seq, clock_sec, clock_nsec from
	(select log, seq, clock_sec, clock_nsec from igniter.fact where (log, seq) <= ($1::int, 9223372036854775807) order by log desc, seq desc limit 1) f
	where f.log = $1`

	first = `select seq from (select log, seq from igniter.fact where (log, seq) > ($1::int, 0) order by log, seq limit 1) f where f.log = $1`

	byID = `select f.seq, f.body from unnest($2::bytea[], $3::bytea[]) u(id, store),
	lateral (select log, id, store, seq, body from igniter.fact where (log, id, store) >= ($1::int, u.id, u.store) order by log, id, store limit 1) f
	where f.log = $1 and f.id = u.id and f.store = u.store`

	byKey = `select u.n, f.seq, f.id from unnest($2::bytea[]) with ordinality u(hash, n),
	lateral (select log, key_hash, seq, id from igniter.fact where (log, key_hash, seq) <= ($1::int, u.hash, 9223372036854775807)
		order by log desc, key_hash desc, seq desc limit 1) f
	where f.log = $1 and f.key_hash = u.hash`

	insert = `insert into igniter.fact (log, seq, clock_sec, clock_nsec, rest, key_hash, id, store, body)
	select $1::int, * from unnest($2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bytea[])`

	// origin is the place where the log is written; a standby can't determine it.
	origin = `case when pg_is_in_recovery() then '' else concat_ws('/', (select system_identifier from pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8),
	(select oid from pg_database where datname = current_database()), 'igniter.log'::regclass::oid) end`

	ancestors = `select identity::text, through from igniter.ancestor where log = $1 order by number desc`

	horizons = `select store, seq, sec, nsec from igniter.horizon where log = $1::int and (select pruned from igniter.log where log = $1) <> $2::bigint`

	idAt = `select f.id from (select log, seq, id from igniter.fact where (log, seq) >= ($1::int, $2::bigint) order by log, seq limit 1) f where f.log = $1 and f.seq = $2`

	// A page is read by the primary key. It has at most pageRows facts, and ends once they have pageBytes.
	page       = pageOf + pageIn + pageEnd
	pageStores = pageOf + pageIn + ` and store = any($4::bytea[])` + pageEnd
	pageOf     = `select seq, rest, body from (select log, seq, rest, body, sum(octet_length(body)) over (order by log, seq rows unbounded preceding) as size from
	(select log, seq, rest, body from igniter.fact where `
	pageIn  = `(log, seq) > ($1::int, $2::bigint) and (log, seq) <= ($1::int, $3::bigint)`
	pageEnd = ` order by log, seq limit 1000) x) y where size - octet_length(body) < 1048576 order by log, seq`

	pageRows  = 1000
	pageBytes = 1 << 20
	window    = 20_000 // seqs that are searched for facts of some stores at a time

	// replicated makes a transaction that only found held facts wait for a synchronous standby, as the write of these facts
	// did.
	replicated = `select case when current_setting('synchronous_standby_names') <> '' then pg_current_xact_id()::text end`

	notify = `select pg_notify('igniter', $1)`
)

// A statement is SQL with the functions that handle its result.
type statement struct {
	sql  string
	args []any
	row  func(scan func(dst ...any) error) error // called for each row; nil: there are no rows
	rows func(rows pgx.Rows) error               // handles all rows instead of row, for pgx only
	done func(tag string, affected int64) error  // called with the result of the command; nil: nothing to check
}

// A runner runs statements in one transaction.
type runner interface {
	run(ctx context.Context, all ...statement) error
}

// A pipeline sends all statements in one round trip.
type pipeline struct {
	to interface {
		SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	}
}

func (p pipeline) run(ctx context.Context, all ...statement) error {
	b := &pgx.Batch{}
	for i := range all {
		b.Queue(all[i].sql, all[i].args...)
	}
	results := p.to.SendBatch(ctx, b)
	for i := range all {
		if err := all[i].take(results.Query()); err != nil {
			_ = results.Close() // returns the same error
			return err
		}
	}
	return results.Close()
}

func (s *statement) take(rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	switch {
	case s.rows != nil:
		err = s.rows(rows)
	case s.row != nil:
		for err == nil && rows.Next() {
			err = s.row(rows.Scan)
		}
	}
	rows.Close()
	if err == nil {
		err = rows.Err()
	}
	if tag := rows.CommandTag(); err == nil && s.done != nil {
		err = s.done(tag.String(), tag.RowsAffected())
	}
	return err
}

// A series sends one statement after the other, with any driver: it passes arrays as text.
type series struct{ tx *sql.Tx }

func (s series) run(ctx context.Context, all ...statement) error {
	for i := range all {
		if err := s.one(ctx, &all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s series) one(ctx context.Context, st *statement) error {
	args := make([]any, len(st.args))
	for i, arg := range st.args {
		args[i] = asText(arg)
	}
	if st.row == nil {
		result, err := s.tx.ExecContext(ctx, st.sql, args...)
		if err != nil || st.done == nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		return st.done("", n)
	}
	rows, err := s.tx.QueryContext(ctx, st.sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := st.row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// asText converts arrays and bytes to PostgreSQL's text form.
func asText(arg any) any {
	var b strings.Builder
	list := func(n int, item func(i int)) string {
		b.WriteByte('{')
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			item(i)
		}
		b.WriteByte('}')
		return b.String()
	}
	switch arg := arg.(type) {
	case [][]byte:
		return list(len(arg), func(i int) { fmt.Fprintf(&b, `"\\x%s"`, hex.EncodeToString(arg[i])) })
	case []int64:
		return list(len(arg), func(i int) { b.WriteString(strconv.FormatInt(arg[i], 10)) })
	case []int32:
		return list(len(arg), func(i int) { b.WriteString(strconv.FormatInt(int64(arg[i]), 10)) })
	case []byte:
		return `\x` + hex.EncodeToString(arg)
	}
	return arg
}
