// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

//go:embed schema.sql
var schema string

// format is the version of the tables. In format 1, an ID was unique in the whole log, not only in its store.
const format = 2

// A place has the data that a trip finds in the log's row and at its end.
type place struct {
	server   string // changes when the server was restarted, or is another one
	table    int64  // the OID of the table of logs, which changes when the table is restored
	identity backend.LogID
	origin   string
	pruned   uint64
	last     end

	seen uint64 // the highest seq that this process knew before the trip
}

// standby reports whether the server is a standby. After a restart it may have fewer facts than before.
func (p *place) standby() bool { return strings.HasSuffix(p.server, "true") }

// An end is the last seq that a log ever assigned, and its latest transaction time; zero: the log never had a fact.
type end struct {
	seq   uint64
	clock time.Time
}

func (e *end) reach(seq, sec, nsec int64) {
	if seq <= 0 {
		return
	}
	e.seq = max(e.seq, uint64(seq))
	if t := unix(sec, nsec); t.After(e.clock) {
		e.clock = t
	}
}

// known is the state of a log that a process knows.
type known struct {
	place     place
	ancestors []backend.Ancestor
	seen      uint64 // the highest seq through which the log was read, or that was acknowledged
	mark      uint64 // the highest seq with a known ID; 0: none
	markID    []byte // the ID at mark, in the form of the table
	lost      error  // a *backend.DivergedError: another log has taken this log's place
}

// depart begins a trip: it returns a place with the previously known state.
func (l *Log) depart() place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return place{seen: l.known.seen}
}

// statements returns the statements that read the place. Row is row or lockRow; set is settings or settingsRead.
func (p *place) statements(number int32, set, row string) []statement {
	return []statement{
		{sql: set, row: func(scan func(...any) error) error {
			var set string
			return scan(&set, &p.server)
		}},
		{sql: row, args: []any{number}, row: func(scan func(...any) error) error {
			var identity string
			var floor, sec, nsec, pruned int64
			if err := scan(&p.table, &identity, &p.origin, &floor, &sec, &nsec, &pruned); err != nil {
				return err
			}
			p.pruned = uint64(pruned)
			p.last.reach(floor, sec, nsec)
			return p.identity.UnmarshalText([]byte(identity))
		}},
		{sql: head, args: []any{number}, row: func(scan func(...any) error) error {
			var seq, sec, nsec int64
			err := scan(&seq, &sec, &nsec)
			p.last.reach(seq, sec, nsec)
			return err
		}},
	}
}

// look makes a trip that reads the log's place and runs the statements that more returns, all in one snapshot. more is
// called for each attempt.
func (l *Log) look(ctx context.Context, more func() []statement) (p place, err error) {
	err = l.retry(ctx, func(ctx context.Context) error {
		conn, err := l.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		p = l.depart()
		all := append([]statement{{sql: beginRead}}, p.statements(l.number, settingsRead, row)...)
		if more != nil {
			all = append(all, more()...)
		}
		if err := (pipeline{conn}).run(ctx, append(all, statement{sql: commit})...); err != nil {
			return err
		}
		return l.admit(ctx, conn.Conn(), &p)
	})
	if err != nil {
		_, err = judge(err)
	}
	return p, err
}

// admit checks that the place belongs to the log that this process knows. Its error is errAgain if that needed separate
// queries. The connection must be in no transaction.
func (l *Log) admit(ctx context.Context, conn *pgx.Conn, p *place) error {
	l.mu.Lock()
	k := &l.known
	same := p.server == k.place.server && p.table == k.place.table && p.identity == k.place.identity && p.origin == k.place.origin
	behind := p.last.seq < p.seen
	if behind && p.standby() {
		l.mu.Unlock()
		return errBehind
	}
	if k.lost == nil && same && behind {
		l.diverge(backend.Cursor{Log: p.identity, Seq: p.seen}, p.identity, p.last.seq)
	}
	if !l.state.Up && same {
		l.state.Up, l.state.Since, l.state.Connects = true, time.Now(), l.state.Connects+1
		l.opts.Logger.Info("the server answers again", zap.String("server", l.address))
	}
	lost := k.lost
	l.mu.Unlock()
	if lost != nil || same {
		return lost
	}
	if conn.PgConn().TxStatus() != 'I' {
		if _, err := conn.Exec(ctx, `rollback`); err != nil {
			return err
		}
	}
	if err := l.verify(ctx, conn); err != nil {
		return err
	}
	return errAgain
}

// diverge ends the work of this process on the log. The caller holds mu.
func (l *Log) diverge(c backend.Cursor, log backend.LogID, common uint64) {
	l.known.lost = fmt.Errorf("another log has taken the place of this one, or an older one: open it again, and read again what you have: %w",
		&backend.DivergedError{Cursor: c, Log: log, Common: common})
	l.opts.Logger.Error("the log is not the one that was read before: nothing is read or written any more", zap.Error(l.known.lost))
	l.change.Notify()
}

// verify determines the log's identity after the server, the tables or the identity have changed. A log in another place
// than where it was last written begins a new identity.
func (l *Log) verify(ctx context.Context, conn *pgx.Conn) error {
	p := l.depart()
	l.mu.Lock()
	before := l.known
	l.mu.Unlock()
	var ancestors []backend.Ancestor
	var here string
	var markID []byte
	all := append([]statement{{sql: beginRead}}, p.statements(l.number, settingsRead, row)...)
	all = append(all, scanAncestors(l.number, &ancestors),
		statement{sql: `select ` + origin, row: func(scan func(...any) error) error { return scan(&here) }},
		statement{sql: idAt, args: []any{l.number, seqOf(before.mark)}, row: func(scan func(...any) error) error { return scan(&markID) }},
		statement{sql: commit})
	if err := (pipeline{conn}).run(ctx, all...); err != nil {
		return err
	}
	if p.identity == (backend.LogID{}) {
		return fmt.Errorf("%w: its row in igniter.log is gone", backend.ErrInvalid)
	}
	if here != "" && here != p.origin {
		if err := l.renew(ctx, conn, pipeline{conn}, here); err != nil {
			return err
		}
		return l.verify(ctx, conn)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known.lost != nil {
		return l.known.lost
	}
	if p.standby() && p.last.seq < before.seen {
		return errBehind
	}
	if before.place.identity != (backend.LogID{}) {
		s := backend.Stats{Log: p.identity, Ancestors: ancestors, LastSeq: p.last.seq}
		_, err := s.Resume(backend.Cursor{Log: before.place.identity, Seq: before.seen})
		var diverged *backend.DivergedError
		switch {
		case errors.As(err, &diverged):
			l.diverge(diverged.Cursor, diverged.Log, diverged.Common)
		case markID != nil && !bytes.Equal(markID, before.markID):
			l.diverge(backend.Cursor{Log: before.place.identity, Seq: before.mark}, p.identity, 0)
		}
	}
	p.last, p.seen = end{}, 0
	l.known.place, l.known.ancestors = p, ancestors
	return l.known.lost
}

// renew begins a new identity of a log that was moved here.
func (l *Log) renew(ctx context.Context, conn *pgx.Conn, run runner, here string) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after a commit there is nothing to roll back
	var p place
	if err = run.run(ctx, p.statements(l.number, settings, lockRow)...); err == nil && p.origin != here {
		err = run.run(ctx, renewal(l.number, &p, here)...)
	}
	var forbidden bool
	if err != nil {
		_, named := judge(err)
		forbidden = errors.Is(named, backend.ErrForbidden)
	}
	if forbidden {
		return fmt.Errorf("%w: the log was moved from %q to %q, and this role may not begin its new identity: open it once with a role that may: %w", errMoved, p.origin, here, err)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err == nil && p.origin != here {
		l.opts.Logger.Warn("the log is in another place than where it was last written: it begins a new identity",
			zap.String("log", l.opts.Log), zap.String("was", p.origin), zap.String("is", here), zap.Uint64("through", p.last.seq))
	}
	return err
}

// errMoved: the log waits for a role that may begin its new identity.
var errMoved = fmt.Errorf("%w", backend.ErrUnavailable)

// renewal returns the statements that give the log at p a new identity. The log's row must be locked.
func renewal(number int32, p *place, here string) []statement {
	identity := backend.NewLogID().String()
	return []statement{
		{sql: `update igniter.ancestor set through = least(through, $2::bigint) where log = $1::int`, args: []any{number, seqOf(p.last.seq)}},
		{sql: `insert into igniter.ancestor (log, identity, through, number) select $1::int, $2::text::uuid, $3::bigint, coalesce(max(number), 0) + 1 from igniter.ancestor where log = $1`,
			args: []any{number, p.identity.String(), seqOf(p.last.seq)}},
		{sql: fmt.Sprintf(`delete from igniter.ancestor where log = $1::int and number <= (select max(number) from igniter.ancestor where log = $1) - %d`, backend.MaxAncestors), args: []any{number}},
		{sql: `update igniter.log set identity = $2::text::uuid, origin = $3::text where log = $1::int`, args: []any{number, identity, here}},
	}
}

func scanAncestors(number int32, to *[]backend.Ancestor) statement {
	return statement{sql: ancestors, args: []any{number}, row: func(scan func(...any) error) error {
		var a backend.Ancestor
		var identity string
		var through int64
		if err := scan(&identity, &through); err != nil {
			return err
		}
		a.Through = uint64(through)
		if err := a.Log.UnmarshalText([]byte(identity)); err != nil {
			return err
		}
		*to = append(*to, a)
		return nil
	}}
}

// find finds the log's row. It creates the tables and the row if they do not exist.
func (l *Log) find(ctx context.Context, conn *pgx.Conn) error {
	var missing bool
	if err := conn.QueryRow(ctx, missingTables).Scan(&missing); err != nil {
		return err
	}
	if missing {
		if err := create(ctx, conn); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	for range 3 {
		var version int
		err := conn.QueryRow(ctx, `select log, format from igniter.log where name = $1`, l.opts.Log).Scan(&l.number, &version)
		switch {
		case err == nil && version == 1:
			if err := l.upgrade(ctx, conn); err != nil {
				return err
			}
			continue
		case err == nil && version != format:
			return &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("its tables have format %d, and this program knows format %d: use a newer one", version, format)}
		case err == nil:
			return l.verify(ctx, conn)
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		_, err = conn.Exec(ctx, `insert into igniter.log (name, format, identity, origin) values ($1, $2, $3::text::uuid, `+origin+`) on conflict (name) do nothing`,
			l.opts.Log, format, backend.NewLogID().String())
		if err != nil {
			return fmt.Errorf("make the log: %w", err)
		}
	}
	return fmt.Errorf("%w: its row in igniter.log does not stay", backend.ErrInvalid)
}

// missingTables reads the catalog itself, since to_regclass may use a stale cache, without tables that others have just
// created.
const missingTables = `select not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'igniter' and c.relname = 'fact')`

// upgrade converts tables of format 1 to format 2, for all logs in them. Other processes may do the same concurrently. It
// rebuilds an index over all facts; writers wait meanwhile.
func (l *Log) upgrade(ctx context.Context, conn *pgx.Conn) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after a commit there is nothing to roll back
	l.opts.Logger.Warn("the tables have format 1: an index is built again, which takes a while for a large log", zap.String("log", l.opts.Log))
	for _, sql := range []string{
		`select pg_advisory_xact_lock(7236837412041)`, `drop index igniter.fact_id`, `create unique index fact_id on igniter.fact (log, id, store)`, `update igniter.log set format = 2 where format = 1`,
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			if _, named := judge(err); errors.Is(named, backend.ErrForbidden) {
				return fmt.Errorf("%w: the tables have format 1, and this role may not change them: open the log once with the role that owns them: %w", backend.ErrForbidden, err)
			}
			return fmt.Errorf("bring the tables to format 2: %w", err)
		}
	}
	return tx.Commit(ctx)
}

// create creates the tables. Other processes may do the same concurrently.
func create(ctx context.Context, conn *pgx.Conn) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after a commit there is nothing to roll back
	var missing bool
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(7236837412041)`); err != nil { // any number, the same for all
		return err
	}
	if err := tx.QueryRow(ctx, missingTables).Scan(&missing); err != nil {
		return err
	}
	if missing {
		if _, err := conn.PgConn().Exec(ctx, schema).ReadAll(); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}
