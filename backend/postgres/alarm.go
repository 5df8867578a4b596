// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

// The alarm, a notification, wakes followers. They also poll, so that correctness does not depend on the alarm.
const (
	pollAlarm  = time.Second            // with the alarm, at first
	pollIdle   = 8 * time.Second        // with the alarm, while nothing is written
	pollPooled = 100 * time.Millisecond // without an alarm
	tellEvery  = 2 * time.Millisecond   // the least time between two notifications
)

func (l *Log) poll() time.Duration {
	if l.alarm.Load() {
		return pollAlarm
	}
	return pollPooled
}

// tell notifies other processes of writes, of several writes at once. It uses a separate transaction, which need not be
// durable, because PostgreSQL commits transactions with a notification one after the other.
func (l *Log) tell() {
	number := strconv.Itoa(int(l.number))
	for {
		select {
		case <-l.told:
		case <-l.open.Done():
			select {
			case <-l.told:
			default:
				return
			}
		}
		ctx, cancel := context.WithTimeout(l.life, closeTimeout)
		_, err := l.pool.Exec(ctx, `select set_config('synchronous_commit', 'off', true), pg_notify('igniter', $1)`, number)
		cancel()
		if err != nil && l.life.Err() == nil { // followers also poll
			l.opts.Logger.Debug("others could not be told about a write", zap.Error(err))
		}
		_ = wait(l.life, tellEvery)
	}
}

// startAlarm starts listening for a follower, unless an earlier follower did.
func (l *Log) startAlarm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.listens && !l.pooled && !l.closing {
		l.listens = true
		l.tasks.Go(l.listen)
	}
}

// listen wakes followers when other processes notify of writes. It has its own connection.
func (l *Log) listen() {
	ctx := l.open
	for attempt := 0; ; attempt++ {
		heard, err := l.hear(ctx)
		l.alarm.Store(false)
		if ctx.Err() != nil {
			return
		}
		if heard {
			attempt = 0
		}
		l.change.Notify() // followers poll at the faster pace again
		if errors.Is(err, errDeaf) {
			l.opts.Logger.Warn("the server's notifications do not arrive: followers look for facts by themselves", zap.Error(err))
			return
		}
		l.opts.Logger.Debug("the alarm's connection is lost", zap.Error(err))
		if wait(ctx, pause(attempt)) != nil {
			return
		}
	}
}

// errDeaf: notifications do not arrive through this address.
var errDeaf = errors.New("a notification of another connection was not heard")

// hear listens on a connection until that fails, and reports whether it worked before.
func (l *Log) hear(ctx context.Context) (worked bool, err error) {
	pooled, err := l.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	conn := pooled.Hijack()
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = conn.Close(end) // if this fails, the server ends the connection
	}()
	if behind, err := behindPooler(ctx, conn); err != nil {
		return false, err
	} else if behind {
		return false, errDeaf
	}
	if _, err := conn.Exec(ctx, `listen igniter`, pgx.QueryExecModeExec); err != nil {
		return false, err
	}
	if err := l.probe(ctx, conn); err != nil {
		return false, err
	}
	l.alarm.Store(true)
	l.change.Notify() // for writes before the alarm worked
	number := strconv.Itoa(int(l.number))
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		if n.Payload == number {
			l.change.Notify()
		}
	}
}

// probe checks that notifications of another connection arrive. Through a pooler, perhaps only the connection's own
// notifications arrive.
func (l *Log) probe(ctx context.Context, conn *pgx.Conn) error {
	probe := "probe " + strconv.Itoa(int(conn.PgConn().PID()))
	if _, err := l.pool.Exec(ctx, `select pg_notify('igniter', $1)`, probe); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(within)
		switch {
		case err != nil && within.Err() != nil && ctx.Err() == nil:
			return errDeaf
		case err != nil:
			return err
		case n.Payload == probe:
			return nil
		}
	}
}
