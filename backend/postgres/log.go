// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// tripTimeout limits the time of one trip to the server; a trip that writes also has timeFor its bytes. It is longer than a
// writer waits for the log's row. A trip that reads and takes too long gets twice the time at its next attempt, up to
// maxTrip.
const (
	tripTimeout = 45 * time.Second
	maxTrip     = 10 * time.Minute
)

// timeFor returns the time to send bytes over the slowest supported network, 64 KiB/s.
func timeFor(bytes int) time.Duration { return time.Duration(bytes) * time.Second / (64 << 10) }

// closeTimeout is how long Close waits for the writes in flight.
const closeTimeout = 5 * time.Second

// A Log is a backend.Log in a PostgreSQL database. Its methods may be called concurrently, and other processes may use the same
// log.
type Log struct {
	opts    Options
	pool    *pgxpool.Pool
	pooled  bool  // a pooler may give each transaction another connection, so that a connection must keep no state
	number  int32 // of the log's row
	address string

	life   context.Context // ends with Close
	cancel context.CancelFunc
	open   context.Context // ends once the log takes no more writes
	shut   context.CancelFunc
	tasks  sync.WaitGroup
	change ctxsync.Signal // when there may be more to read, or the log is closed
	alarm  atomic.Bool    // notifications of other processes' writes arrive
	work   chan struct{}  // has room for one value, which tells the committer to look at queue
	told   chan struct{}  // has room for one value, which asks for a notification of a write

	mu      sync.Mutex // guards the fields below
	queue   []*write
	closing bool
	listens bool  // the alarm's goroutine was started
	trouble error // why the committer could not reach the server; nil: it could
	known   known
	state   backend.Connection
}

var _ backend.Log = (*Log)(nil)

// Open opens a log, and creates it and the tables if they do not exist. It tries only once to connect, so that a wrong
// address fails at once, with backend.ErrUnavailable. Later, the log reconnects when a connection is lost. ctx is for the
// call.
func Open(ctx context.Context, opts Options) (*Log, error) {
	l := &Log{told: make(chan struct{}, 1), work: make(chan struct{}, 1)}
	l.life, l.cancel = context.WithCancel(context.Background())
	l.open, l.shut = context.WithCancel(l.life)
	var err error
	if l.opts, err = opts.withDefaults(); err == nil {
		err = l.start(ctx)
	}
	if err != nil {
		l.cancel()
		l.closePool()
		_, err = judge(err)
		return nil, fmt.Errorf("postgres: open log %q: %w", l.opts.Log, err)
	}
	l.tasks.Go(func() {
		defer l.shut()
		l.commit()
	})
	l.tasks.Go(l.tell)
	return l, nil
}

func (l *Log) start(ctx context.Context) error {
	if err := l.connect(ctx); err != nil {
		return err
	}
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	c := conn.Conn().Config()
	l.address = fmt.Sprintf("postgres://%s:%d/%s", c.Host, c.Port, c.Database)
	l.state = backend.Connection{Address: l.address, Up: true, Since: time.Now(), Protocol: 3, Connects: 1,
		Server: "PostgreSQL " + conn.Conn().PgConn().ParameterStatus("server_version")}
	if err := l.checkServer(ctx, conn.Conn()); err != nil {
		return err
	}
	return l.find(ctx, conn.Conn())
}

// connect makes the pool, and finds out whether the connection goes through a pooler.
func (l *Log) connect(ctx context.Context) error {
	if l.pool = l.opts.Pool; l.pool != nil {
		conn, err := l.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		if l.pooled, err = behindPooler(ctx, conn.Conn()); err != nil {
			return err
		}
		switch conn.Conn().Config().DefaultQueryExecMode {
		case pgx.QueryExecModeSimpleProtocol:
			return &backend.InvalidError{Field: "pool", Reason: "its DefaultQueryExecMode is the simple protocol, which keeps no bytes as they are: use pgx.QueryExecModeExec"}
		case pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec:
			if l.pooled {
				return &backend.InvalidError{Field: "pool", Reason: "it connects through a pooler, which keeps no prepared statements: set DefaultQueryExecMode to pgx.QueryExecModeExec"}
			}
		}
		return nil
	}
	config, err := pgxpool.ParseConfig(l.opts.Address)
	if err != nil {
		return &backend.InvalidError{Field: "address", Reason: err.Error()}
	}
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "igniter"
	}
	for _, f := range c.Fallbacks {
		if (f.Host != c.Host || f.Port != c.Port) && c.ValidateConnect == nil { // only one of the hosts has the log
			c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
		}
	}
	c.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.Code == warning {
			conn.CustomData()[warning] = n.Message
		}
	}
	config.MaxConns = max(config.MaxConns, 4)
	if l.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	l.pooled, err = behindPooler(ctx, conn.Conn())
	conn.Release()
	if err == nil && l.pooled {
		l.pool.Close()
		c.DefaultQueryExecMode = pgx.QueryExecModeExec
		l.pool, err = pgxpool.NewWithConfig(ctx, config)
	}
	return err
}

// warning is the code of the notice that comes with a commit whose wait for a standby was cancelled.
const warning = "01000"

// behindPooler reports whether a connection goes through a pooler: PgBouncer gives clients its own process numbers.
func behindPooler(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, `select pg_backend_pid()`, pgx.QueryExecModeExec).Scan(&pid)
	return pid != conn.PgConn().PID(), err
}

// checkServer refuses a server that is too old, and warns of settings that lose facts.
func (l *Log) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var fsync, pages, encoding string
	err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'), current_setting('server_encoding')`).
		Scan(&version, &fsync, &pages, &encoding)
	if err != nil {
		return err
	}
	if version < 140000 {
		return &backend.InvalidError{Field: "address", Reason: fmt.Sprintf("the server is %s: PostgreSQL 14 or newer is needed", l.state.Server)}
	}
	for name, off := range map[string]bool{"fsync": fsync == "off", "full_page_writes": pages == "off"} {
		if off {
			l.opts.Logger.Warn("the server may lose facts in a crash of its machine", zap.String("off", name), zap.String("server", l.address))
		}
	}
	if encoding != "UTF8" {
		l.opts.Logger.Warn("the database is not in UTF8: the view igniter.facts may not show every fact", zap.String("server_encoding", encoding))
	}
	return nil
}

// Close ends the log. It waits some seconds for writes in flight. A pool from Options stays open.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	wake(l.work)
	timer := time.AfterFunc(closeTimeout, l.cancel)
	l.tasks.Wait()
	timer.Stop()
	l.cancel()
	l.change.Notify()
	l.closePool()
	return nil
}

func (l *Log) closePool() {
	if l.pool != nil && l.pool != l.opts.Pool {
		l.pool.Close()
	}
}

// wake sends to a channel that has room for one value.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// reset drops the connections of the log's own pool.
func (l *Log) reset() {
	if l.pool != l.opts.Pool {
		l.pool.Reset()
	}
}

// failed records that the server could not be reached.
func (l *Log) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Up {
		l.reset() // the other connections are probably lost, too
		l.state.Up, l.state.Since = false, time.Now()
		l.opts.Logger.Warn("the server does not answer: trying again", zap.String("server", l.address), zap.Error(err))
	}
	l.state.LastError = err.Error()
}

// Features implements backend.Log.
func (l *Log) Features() backend.Features {
	f := backend.Features{Batches: true, Prune: true, AllIDs: true, MaxFrame: l.opts.MaxFrame}
	if !l.alarm.Load() {
		f.Poll = l.poll()
	}
	return f
}

// WriteSnapshot implements backend.Backend. It does nothing, since PostgreSQL maintains its tables.
func (l *Log) WriteSnapshot(ctx context.Context, _ uint64) error {
	if _, err := l.look(ctx, nil); err != nil {
		return fmt.Errorf("postgres: write snapshot: %w", err)
	}
	return nil
}

// Stats implements backend.Log, in one round trip. Bytes is the size of the table of facts and its indexes, for all logs in
// it. With an error, Stats returns only Connection. Connection.Up is true until a call, a write or a follower has failed to
// reach the server.
func (l *Log) Stats(ctx context.Context) (backend.Stats, error) {
	var s backend.Stats
	p, err := l.look(ctx, func() []statement {
		s = backend.Stats{}
		return []statement{
			{sql: first, args: []any{l.number}, row: func(scan func(...any) error) error { return scan(&s.FirstSeq) }},
			{sql: `select pg_total_relation_size('igniter.fact')`, row: func(scan func(...any) error) error { return scan(&s.Bytes) }},
			scanHorizons(l.number, -1, &s.Horizons),
			scanAncestors(l.number, &s.Ancestors),
		}
	})
	l.mu.Lock()
	state := l.state
	l.mu.Unlock()
	if err != nil {
		return backend.Stats{Connection: &state}, fmt.Errorf("postgres: stats: %w", err)
	}
	s.Connection = &state
	s.Log, s.LastSeq, s.DurableSeq, s.LastTime, s.Facts = p.identity, p.last.seq, p.last.seq, p.last.clock, p.last.seq-p.pruned
	return s, nil
}

// scanHorizons returns the statement that reads the log's horizons, unless the number of pruned facts has not changed since
// pruned.
func scanHorizons(number int32, pruned int64, to *map[string]backend.Horizon) statement {
	return statement{sql: horizons, args: []any{number, pruned}, row: func(scan func(...any) error) error {
		var store []byte
		var seq, sec, nsec int64
		err := scan(&store, &seq, &sec, &nsec)
		if *to == nil {
			*to = map[string]backend.Horizon{}
		}
		(*to)[string(store)] = backend.Horizon{Seq: uint64(seq), Time: unix(sec, nsec)}
		return err
	}}
}

// unix returns the time of a row. In a log without facts, 0, 0 stands for no time.
func unix(sec, nsec int64) time.Time { return time.Unix(sec, nsec).UTC() }

// seqOf returns a seq in the form of the tables. A seq that is too large for them becomes the largest one.
func seqOf(seq uint64) int64 { return int64(min(seq, math.MaxInt64)) }
