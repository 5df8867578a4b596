// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// A Tx is a transaction of the app, from [PGX] or [SQL], in the database that has the log.
type Tx struct{ run runner }

// PGX returns a transaction of package pgx as a Tx.
func PGX(tx pgx.Tx) Tx { return Tx{pipeline{tx}} }

// SQL returns a transaction of package database/sql as a Tx. Any driver for PostgreSQL works.
func SQL(tx *sql.Tx) Tx { return Tx{series{tx}} }

const (
	txBefore = `select current_setting('transaction_isolation'), current_setting('lock_timeout'), current_setting('enable_seqscan'),
	current_setting('enable_bitmapscan'), current_setting('enable_hashjoin'), current_setting('enable_mergejoin'), current_setting('enable_sort'), current_setting('enable_incremental_sort'), current_setting('jit'), current_setting('plan_cache_mode')`

	txSettings = `select concat(set_config('synchronous_commit', case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, true),
	set_config('idle_in_transaction_session_timeout', case current_setting('idle_in_transaction_session_timeout') when '0' then '10s' else current_setting('idle_in_transaction_session_timeout') end, true),
	set_config('lock_timeout', case current_setting('lock_timeout') when '0' then '30s' else current_setting('lock_timeout') end, true), ` + plans + `), ` + serverKey

	txAfter = `select concat(set_config('lock_timeout', $1::text, true), set_config('enable_seqscan', $2::text, true), set_config('enable_bitmapscan', $3::text, true),
	set_config('enable_hashjoin', $4::text, true), set_config('enable_mergejoin', $5::text, true), set_config('enable_sort', $6::text, true), set_config('enable_incremental_sort', $7::text, true), set_config('jit', $8::text, true), set_config('plan_cache_mode', $9::text, true))`

	numberOf = `select log, format from igniter.log where name = $1`
)

// InTx writes a batch to the log with the given name ("": "default") in a transaction of the app, so that the facts and the
// other changes of the transaction commit together. The log must exist.
//
// Write facts last, just before the commit: until the transaction ends, all other writers of the log wait for it, also in
// this process. The returned seqs are valid once the transaction is committed; a rolled-back transaction uses up no seqs.
// Unless the transaction already has such limits, InTx limits its wait for the log to 30 s, and its idle time to 10 s and a
// second more for each 64 KiB of facts. It raises synchronous_commit to on.
//
// The results are as for [backend.Log.Write]. After a *backend.ConflictError, backend.ErrIDReused, backend.ErrTooLarge or a
// *backend.InvalidError nothing is written, and the transaction may go on. After any other error roll it back. The
// isolation level should be read committed. At a higher level, a batch without facts is a *backend.InvalidError; any other
// batch is backend.ErrUnavailable if somebody has written to the log since the transaction began: begin again.
func InTx(ctx context.Context, tx Tx, log string, b backend.Batch) (backend.Written, error) {
	w, err := inTx(ctx, tx.run, cmp.Or(log, defaultLog), b)
	if err != nil {
		if sqlState(err) == "23505" {
			err = fmt.Errorf("%w: somebody has written to the log since the transaction began: begin it again: %w", backend.ErrUnavailable, err)
		} else {
			_, err = judge(err)
		}
		return backend.Written{}, fmt.Errorf("postgres: write batch of %d facts in a transaction: %w", len(b.Facts), err)
	}
	return w, nil
}

func inTx(ctx context.Context, run runner, log string, b backend.Batch) (w backend.Written, err error) {
	const limit = wire.DefaultMaxFrame
	facts, err := sequencer.PrepareBatch(b, limit)
	if err != nil {
		return w, err
	}
	encoded := make([]wire.EncodedFact, len(facts))
	for i := range facts {
		encoded[i].Encode(&facts[i])
	}
	before := make([]string, 10)
	number, err := findLog(ctx, run, log, statement{sql: txBefore, row: func(scan func(...any) error) error {
		return scan(&before[0], &before[1], &before[2], &before[3], &before[4], &before[5], &before[6], &before[7], &before[8], &before[9])
	}})
	if err != nil {
		return w, err
	}
	if before[0] != "read committed" && len(facts) == 0 {
		return w, &backend.InvalidError{Field: "tx", Reason: "its isolation level is " + before[0] + ", at which expectations alone prove nothing: use read committed"}
	}
	d := newDecision()
	d.ask(facts, b.Expect)
	var p place
	var here string
	size := 0
	for i := range facts {
		size += sequencer.Size(&facts[i])
	}
	all := append(p.statements(number, txSettings, lockRow), beforeSending(size)...)
	all = append(all, d.statements(number)...)
	all = append(all, statement{sql: `select ` + origin, row: func(scan func(...any) error) error { return scan(&here) }})
	if err := run.run(ctx, all...); err != nil {
		return w, err
	}
	var after []statement
	if here != p.origin {
		after = renewal(number, &p, here)
	}
	d.begin(&p)
	first, refused := d.assign(facts, encoded, b.Expect, time.Now(), limit)
	if refused == nil && first > 0 {
		after = append(after, d.rows.insert(number), statement{sql: notify, args: []any{strconv.Itoa(int(number))}})
	}
	restore := make([]any, 0, len(before))
	for _, v := range before[1:] {
		restore = append(restore, v)
	}
	if err := run.run(ctx, append(after, statement{sql: txAfter, args: restore})...); err != nil {
		return w, err
	}
	if refused != nil {
		return w, refused
	}
	return backend.Written{Facts: facts, First: first}, nil
}

// findLog returns the number of a log, and runs the statements in more.
func findLog(ctx context.Context, run runner, log string, more ...statement) (number int32, err error) {
	if err := checkName("log", log); err != nil {
		return 0, err
	}
	version := 0
	all := append(slices.Clone(more), statement{sql: numberOf, args: []any{log}, row: func(scan func(...any) error) error { return scan(&number, &version) }})
	if err := run.run(ctx, all...); err != nil {
		return 0, err
	}
	switch version {
	case format:
		return number, nil
	case 0:
		return 0, &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("there is no log %q: Open makes it", log)}
	}
	return 0, &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("its tables have format %d, and this program knows format %d: use a newer one, or Open the log with this one if they are older", version, format)}
}

// ErrMoved: another follower has moved the position.
var ErrMoved = errors.New("postgres: another follower has moved the position: roll back, and read it again")

// Position returns the cursor that is stored under name for a log ("": "default"), for followers that derive rows from
// facts in the same database:
//
//	at, err := postgres.Position(ctx, postgres.PGX(tx), "orders", "totals")
//	for page, err := range log.Follow(ctx, backend.Range{After: at}) {
//		// in one transaction: change the rows for page.Facts, then
//		err = postgres.Advance(ctx, postgres.PGX(tx), "orders", "totals", at, page.Through)
//		// commit, and:
//		at = page.Through
//	}
//
// Each fact then changes the rows exactly once, even if followers are killed at any point, and however many run. The cursor
// is zero if it was not stored yet.
func Position(ctx context.Context, tx Tx, log, name string) (c backend.Cursor, err error) {
	number, err := findPosition(ctx, tx, log, name)
	if err == nil {
		err = tx.run.run(ctx, statement{sql: `select coalesce(identity::text, ''), seq from igniter.position where log = $1 and name = $2`, args: []any{number, name}, row: func(scan func(...any) error) error {
			var identity string
			var seq int64
			err := scan(&identity, &seq)
			c.Seq = uint64(seq)
			return errors.Join(err, c.Log.UnmarshalText([]byte(identity)))
		}})
	}
	if err != nil {
		_, err = judge(err)
		return backend.Cursor{}, fmt.Errorf("postgres: read position %q: %w", name, err)
	}
	return c, nil
}

// Advance moves a [Position] from the cursor from to the cursor to. If it is not at from, the error is ErrMoved: another
// follower has done this work. A concurrent follower waits for the transaction.
func Advance(ctx context.Context, tx Tx, log, name string, from, to backend.Cursor) error {
	number, err := findPosition(ctx, tx, log, name)
	if err == nil {
		const begun = `insert into igniter.position as p (log, name, identity, seq) values ($1::int, $2::text, nullif($3::text, '')::uuid, $4::bigint)
	on conflict (log, name) do update set identity = excluded.identity, seq = excluded.seq where p.identity is null and p.seq = 0`
		const moved = `update igniter.position set identity = nullif($3::text, '')::uuid, seq = $4::bigint
	where log = $1::int and name = $2::text and coalesce(identity::text, '') = $5::text and seq = $6::bigint`
		st := statement{sql: begun, args: []any{number, name, to.Log.String(), seqOf(to.Seq)}}
		if from != (backend.Cursor{}) {
			st.sql, st.args = moved, append(st.args, from.Log.String(), seqOf(from.Seq))
		}
		st.done = func(_ string, n int64) error {
			if n == 0 {
				return ErrMoved
			}
			return nil
		}
		err = tx.run.run(ctx, st)
	}
	if err != nil {
		_, err = judge(err)
		return fmt.Errorf("postgres: move position %q from %s to %s: %w", name, from, to, err)
	}
	return nil
}

func findPosition(ctx context.Context, tx Tx, log, name string) (int32, error) {
	if err := checkName("name", name); err != nil {
		return 0, err
	}
	return findLog(ctx, tx.run, cmp.Or(log, defaultLog))
}
