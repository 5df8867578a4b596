// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// retry calls try until it succeeds, its error is permanent, ctx ends or the client is closed. It waits between attempts,
// longer each time. After an attempt that made progress before it failed, the waits are short again.
func (c *client) retry(ctx context.Context, try func() (progress bool, err error)) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = c.opts.MinBackoff, c.opts.MaxBackoff
	wait.Reset()
	failure := &unavailable{server: c.name()}
	for {
		progress, err := try()
		if err == nil {
			return nil
		}
		if p, ok := err.(permanent); ok {
			return p.error
		}
		if isPermanent(err) {
			return err
		}
		if progress {
			wait.Reset()
			failure.attempts = 0
		}
		failure.attempts++
		if failure.last == nil || ctx.Err() == nil { // the error of an attempt that ctx ended would say less
			failure.last = err
		}
		if ctx.Err() == nil && c.life.Err() == nil {
			c.log.Debug("an attempt failed", zap.String("server", c.name()), zap.Int("attempt", failure.attempts), zap.Error(err))
			timer := time.NewTimer(wait.NextBackOff())
			select {
			case <-timer.C:
			case <-ctx.Done():
			case <-c.life.Done():
			}
			timer.Stop()
		}
		switch {
		case c.life.Err() != nil:
			return backend.ErrClosed
		case ctx.Err() != nil:
			failure.cause = ctx.Err()
			return failure
		}
	}
}

// An unavailable error reports failed attempts. It wraps backend.ErrUnavailable, the error of the context that ended the
// attempts, and the error of the last attempt.
type unavailable struct {
	server      string
	attempts    int
	cause, last error
}

func (e *unavailable) Error() string {
	text := fmt.Sprintf("%v: %s", backend.ErrUnavailable, e.server)
	if e.attempts > 1 {
		text += fmt.Sprintf(", after %d attempts", e.attempts)
	}
	if e.last != nil {
		text += ": " + e.last.Error()
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the wrapped errors.
func (e *unavailable) Unwrap() []error {
	return slices.DeleteFunc([]error{backend.ErrUnavailable, e.cause, e.last}, func(err error) bool { return err == nil })
}

// A permanent error ends retry, which returns the wrapped error.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// isPermanent reports whether another attempt to connect would fail in the same way.
func isPermanent(err error) bool {
	var verification *tls.CertificateVerificationError
	return errors.As(err, &verification) || errors.Is(err, backend.ErrUnauthenticated) || errors.Is(err, backend.ErrForbidden) ||
		errors.Is(err, backend.ErrInvalid) || errors.Is(err, backend.ErrDiverged) || errors.Is(err, backend.ErrClosed)
}

// verdict makes an error that a server reports permanent, unless it is ErrUnavailable, which a server reports while it
// shuts down.
func verdict(err error) error {
	if errors.Is(err, backend.ErrUnavailable) {
		return err
	}
	return permanent{err}
}
