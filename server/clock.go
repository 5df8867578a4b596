// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// aheadBy is how far the log's last time may be ahead of the clock before the server reports it. Usual corrections set a
// clock back by less.
const aheadBy = time.Second

// A clock notices when the log's last time is ahead of this machine's clock, and when the clock has caught up.
type clock struct {
	ahead atomic.Bool

	mu    sync.Mutex
	last  time.Time   // the log's last time
	check *time.Timer // calls catchUp; nil: not ahead
}

// noteTime records a transaction time of the log, and logs a warning if it is the first that is ahead of now.
func (s *Server) noteTime(t, now time.Time) {
	x := &s.clock
	if ahead := t.Sub(now) > aheadBy; !ahead && !x.ahead.Load() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if t.After(x.last) {
		x.last = t
	}
	s.checkClock(now)
}

// checkClock compares the log's last time with now, and logs a change. The caller holds clock.mu.
func (s *Server) checkClock(now time.Time) {
	x := &s.clock
	by := x.last.Sub(now)
	switch {
	case by > aheadBy && x.check == nil && s.ctx.Err() == nil:
		x.ahead.Store(true)
		s.logger.Warn("the log's last time is ahead of the clock: until the clock catches up, facts are dated a nanosecond apart",
			zap.Time("last_time", x.last), zap.Duration("ahead", by))
		x.check = time.AfterFunc(min(by, time.Minute), func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			s.checkClock(time.Now())
		})
	case x.check == nil:
	case by <= aheadBy:
		x.check.Stop()
		x.check = nil
		x.ahead.Store(false)
		s.logger.Info("the clock has caught up with the log's last time", zap.Time("last_time", x.last))
	case s.ctx.Err() == nil:
		x.check.Reset(min(by, time.Minute)) // a clock may be set while the timer runs
	}
}

// stop ends the checks.
func (x *clock) stop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.check != nil {
		x.check.Stop()
	}
}

// statsTimeout limits the time of the log's Stats, since a log on another server may wait for that server until ctx ends.
const statsTimeout = 5 * time.Second

// Stats returns the Stats of the server's log. If the log takes more than five seconds, the error is
// backend.ErrUnavailable.
func (s *Server) Stats(ctx context.Context) (backend.Stats, error) {
	bound, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	stats, err := s.log.Stats(bound)
	if err != nil && ctx.Err() == nil && bound.Err() != nil && !errors.Is(err, backend.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", backend.ErrUnavailable, err)
	}
	if err == nil {
		s.advance(stats.LastSeq)
		s.noteTime(stats.LastTime, time.Now())
	}
	return stats, err
}

// Warnings returns problems of a server that is ready, each as a name, a colon and words; nil if there are none. The names
// are "clock_behind" if the log's last time is ahead of the clock by more than a second, "storage_full" if the latest write
// found no room, and "connections_full" if there is no room for another client. These problems can end while the server
// runs, so they are no reason to send clients elsewhere.
func (s *Server) Warnings(stats *backend.Stats) (warnings []string) {
	if by := stats.Ahead(time.Now()); by > aheadBy {
		warnings = append(warnings, fmt.Sprintf("clock_behind: the log's last time is %v ahead of the clock: until the clock catches up, facts are dated a nanosecond apart", by))
	}
	if s.full.Load() {
		warnings = append(warnings, "storage_full: the latest write found no room for the log")
	}
	if s.Metrics().Connections >= s.opts.MaxConnections {
		warnings = append(warnings, fmt.Sprintf("connections_full: the server has its %d connections", s.opts.MaxConnections))
	}
	return warnings
}
