// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/igniter-store/igniter/backend"
)

// A verdict says whether a failed trip is repeated.
type verdict int

const (
	final verdict = iota // another trip would fail in the same way
	again                // the trip may have taken effect or not; the same facts are sent again
)

// errUnreplicated is the answer to a commit that no standby has confirmed.
var errUnreplicated = fmt.Errorf("%w: the commit is durable here, and its wait for a synchronous standby was cancelled: write again once the standby is there",
	backend.ErrUnavailable)

// judge converts err to an error of the contract, and returns whether another trip may succeed.
func judge(err error) (verdict, error) {
	if err == nil {
		return final, nil
	}
	if errors.Is(err, errAgain) || errors.Is(err, errMoved) || errors.Is(err, errBehind) {
		return again, err
	}
	if isContract(err) { // it already is such an error
		return final, err
	}
	code := sqlState(err)
	if code == "" {
		var network net.Error
		var connect *pgconn.ConnectError
		switch {
		case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
			errors.Is(err, net.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
			strings.Contains(err.Error(), "conn closed"), strings.Contains(err.Error(), "conn busy"), pgconn.Timeout(err):
			return again, fmt.Errorf("%w: %w", backend.ErrUnavailable, err)
		}
		return final, err
	}
	hint := ""
	cause := backend.ErrUnavailable
	switch {
	case slices.Contains([]string{"40001", "40P01", "25P03", "57P01", "57P02", "57P03"}, code) || strings.HasPrefix(code, "08"),
		code == "0A000" && strings.Contains(err.Error(), "cached plan"): // the tables were made again; pgx has dropped its statement
		return again, fmt.Errorf("%w: %w", cause, err)
	case code == "53100":
		cause, hint = backend.ErrFull, "make room on the server's disk"
	case code == "55P03":
		hint = "somebody holds the log's row: look for a transaction that is open in pg_stat_activity"
	case code == "57014":
		hint = "the statement was cancelled"
	case code == "53300":
		hint = "raise max_connections, or lower pool_max_conns"
	case code == readOnly:
		hint = "the server is a standby now: connect to the primary, for example with target_session_attrs=read-write"
	case code == "42501":
		cause, hint = backend.ErrForbidden, grants
	case strings.HasPrefix(code, "28"):
		cause, hint = backend.ErrUnauthenticated, "check user and password, and the server's pg_hba.conf"
	case code == "3D000":
		cause, hint = backend.ErrInvalid, "make the database, or name another one"
	case code == "42P01", code == "3F000":
		cause, hint = backend.ErrInvalid, "the tables of schema igniter are missing: open the log once with a role that may create them"
	default:
		return final, err
	}
	return final, fmt.Errorf("%w: %w: %s", cause, err, hint)
}

// sqlState returns the code of an error of any driver, "" if the error has none.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// readOnly is the error code of a write on a standby.
const readOnly = "25006"

// grants is the advice for a role that gets 42501.
const grants = "grant the role usage on schema igniter and select on its tables, to write insert on igniter.fact and update (format) on igniter.log, " +
	"to prune delete on igniter.fact and update on igniter.log and igniter.horizon"

// errBehind: the server is a standby that is behind an earlier state.
var errBehind = fmt.Errorf("%w: the standby is behind what was read of it", backend.ErrUnavailable)

// errAgain ends a trip that must be made again, with the newly learned state.
var errAgain = errors.New("make the trip again")

func isContract(err error) bool {
	for _, target := range []error{backend.ErrClosed, backend.ErrConflict, backend.ErrIDReused, backend.ErrInvalid, backend.ErrTooLarge, backend.ErrCorrupt,
		backend.ErrFull, backend.ErrUnavailable, backend.ErrUnauthenticated, backend.ErrForbidden, backend.ErrDiverged} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// The waits between two attempts: the first, and the longest. Each is changed at random by up to a half.
const minWait, maxWait = 20 * time.Millisecond, time.Second

func pause(attempt int) time.Duration {
	wait := min(minWait<<min(attempt, 10), maxWait)
	return wait/2 + rand.N(wait)
}

// retry calls try until it succeeds, its error is final, or ctx or the log ends. The context of try ends with either.
func (l *Log) retry(ctx context.Context, try func(ctx context.Context) error) error {
	bound, cancel := l.bound(ctx)
	defer cancel()
	limit := tripTimeout
	for attempt := 0; ; attempt++ {
		var err error
		if err = l.ended(ctx); err != nil {
			return err
		}
		trip, end := context.WithTimeout(bound, limit)
		err = try(trip)
		if trip.Err() != nil {
			limit = min(2*limit, maxTrip) // the answer may be large, and the network slow
		}
		end()
		if err == nil {
			return nil
		}
		if ended := l.ended(ctx); ended != nil {
			return l.because(ended, err, attempt)
		}
		v, err := judge(err)
		if v == final {
			if sqlState(err) == readOnly {
				l.reset()
			}
			return err
		}
		if !errors.Is(err, errAgain) {
			l.failed(err)
		}
		if !errors.Is(err, errAgain) || attempt > 2 {
			if wait(bound, pause(attempt)) != nil {
				return l.because(l.ended(ctx), err, attempt+1)
			}
		}
	}
}

// because returns the error of a call that ended while the server could not be reached.
func (l *Log) because(ended, err error, attempts int) error {
	if attempts == 0 || ended == nil || errors.Is(ended, backend.ErrClosed) || !errors.Is(err, backend.ErrUnavailable) {
		return ended
	}
	return fmt.Errorf("%w, after %d attempts: %w", err, attempts, ended)
}

// ended returns the error of a log that is closed or of a context that is done, or nil.
func (l *Log) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.life.Err() != nil {
		return backend.ErrClosed
	}
	return nil
}

// bound returns a context that ends with ctx or with the log.
func (l *Log) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	bound, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.life, cancel)
	return bound, func() { stop(); cancel() }
}

// wait waits for d, or for the end of ctx, which it reports.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
