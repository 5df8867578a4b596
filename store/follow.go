package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// maxRetryInterval is how long after an outage following the log may take to go on.
const maxRetryInterval = 2 * time.Second

// follow applies what comes to the log until ctx is done or the log can't be followed any more. A
// log that can't be reached is tried again, for as long as it takes.
func (e *Engine) follow(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = maxRetryInterval
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		before := e.Head()
		err := e.followOnce(ctx)
		if e.Head() > before {
			wait.Reset()
		}
		if !errors.Is(err, backend.ErrUnavailable) {
			return struct{}{}, backoff.Permanent(err)
		}
		e.opts.Logger.Warn("the log can't be reached; following it will be tried again", zap.Error(err), zap.Uint64("after", e.Head()))
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0))
	if ctx.Err() != nil {
		return // Close has said why
	}
	if !errors.Is(err, backend.ErrClosed) {
		e.opts.Logger.Error("the log is no longer followed: this process shows what it has, and writes no more", zap.Error(err), zap.Uint64("after", e.Head()))
	}
	e.fail(fmt.Errorf("store: the log is no longer followed: %w", err))
}

// followOnce applies what comes to the log, and returns why that ended.
func (e *Engine) followOnce(ctx context.Context) error {
	for f, err := range backend.Follow(ctx, e.log, e.Head()) {
		if err != nil {
			return err
		}
		if f.Seq > e.Head() { // most often its writer was here first
			e.observe(f)
		}
		if e.ended.Load() {
			return e.Err()
		}
	}
	return fmt.Errorf("store: following the log after seq %d ended without an error: %w", e.Head(), backend.ErrUnavailable)
}
