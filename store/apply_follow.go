// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// maxRetryInterval is the longest time between two attempts to follow the log during an outage.
const maxRetryInterval = 2 * time.Second

// follow applies what is written to the log until ctx is done or the log can't be followed any more. While
// the log can't be reached or does not let this process in, it tries again.
func (e *Engine) follow(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = maxRetryInterval
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		before := e.Head()
		err := e.followOnce(ctx)
		if e.Head() > before {
			wait.Reset()
		}
		if !passes(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		e.trouble.Store(&trouble{err, time.Now()})
		e.opts.Logger.Warn("following the log broke off and will be tried again", zap.Error(err), zap.Uint64("after", e.Head()))
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

// passes reports whether an error that ended following the log is temporary: the server can't be reached, the token is
// not known at the moment, or another authority has signed the certificate.
func passes(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted || errors.Is(err, backend.ErrUnavailable) || errors.Is(err, backend.ErrUnauthenticated) || errors.Is(err, backend.ErrForbidden)
}

// followOnce applies what is written to the log until it can't go on, and returns the reason. If this process may read
// other stores than before, followOnce first reads all stores again: it drops the stores that the process may no longer
// read, and loads the new ones.
func (e *Engine) followOnce(ctx context.Context) error {
	for {
		features := e.log.Features()
		if e.accessChanged || !e.access.Load().same(features) {
			err := e.reload(ctx, &access{features.Stores})
			if errors.Is(err, backend.ErrAccessChanged) { // again
				e.accessChanged = true
				continue
			}
			if err != nil {
				return fmt.Errorf("read the stores that this process may read now: %w", err)
			}
			e.accessChanged = false
		}
		err := e.followPages(ctx)
		if e.accessChanged = errors.Is(err, backend.ErrAccessChanged); !e.accessChanged {
			return err
		}
	}
}

// A process that writes shows its facts itself, and to wake the follower for each of them takes longer than to write it. So after
// ownPages pages in a row that may have nothing else, the follower rests before it looks at the log again. What others write shows
// later by that much; a write or a reader that waits for it ends the rest.
const (
	ownPages = 8
	rest     = time.Millisecond
)

func (e *Engine) followPages(ctx context.Context) error {
	own := 0
	resting := time.NewTimer(rest)
	defer resting.Stop()
	for p, err := range e.log.Follow(ctx, backend.Range{After: e.cursor(), Known: e.Head}) {
		if err == nil && !e.access.Load().same(e.log.Features()) {
			err = backend.ErrAccessChanged // since the stores were read
		}
		if own++; e.writing.Load() == 0 && p.Through.Seq > e.Head() {
			own = 0
		}
		if err == nil {
			e.trouble.Store(nil) // before the page wakes its waiters
			if err = e.ask(ctx, p.Facts, true); err == nil {
				err = e.applyPage(p)
			}
		}
		if err != nil {
			return err
		}
		if own >= ownPages {
			resting.Reset(rest)
			select {
			case <-resting.C:
			case <-e.wanted:
				own = 0
			case <-ctx.Done(): // which the log reports
			}
		}
	}
	return fmt.Errorf("store: following the log after seq %d ended without an error: %w", e.Head(), backend.ErrUnavailable)
}

// cursor returns the last position through which the log was read. Facts after it that the engine shows are own writes.
func (e *Engine) cursor() backend.Cursor {
	if at := e.at.Load(); at != nil {
		return *at
	}
	return backend.Cursor{}
}

// read applies what the log holds in a range, and calls applied with the number of facts of each page. It
// reads the next page while it applies one: opening a million facts is a third faster with that. If the
// engine has ended, read reports why.
func (e *Engine) read(ctx context.Context, r backend.Range, applied func(facts int)) error {
	type next struct {
		page backend.Page
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan next)
	defer func() {
		cancel()
		for range pages { // until the reader has ended
		}
	}()
	go func() {
		defer close(pages)
		for p, err := range e.log.Replay(ctx, r) {
			select {
			case pages <- next{p, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for n := range pages {
		if n.err == nil {
			if n.err = e.ask(ctx, n.page.Facts, false); n.err == nil {
				n.err = e.applyPage(n.page)
			}
		}
		if n.err != nil {
			return cmp.Or(e.Err(), n.err)
		}
		applied(len(n.page.Facts))
	}
	return ctx.Err()
}

// Sync waits until the engine shows every fact that any process had acknowledged before the call and that this process
// may read. Reads after Sync are therefore linearizable. Sync costs one request to the backend. If the backend does not
// push the writes of other processes, Sync reads them from the log. If the log is no longer the one that the engine has
// read, Sync returns a *backend.DivergedError, and so does Err from then on.
func (e *Engine) Sync(ctx context.Context) error {
	if e.reentered() {
		return errReentered
	}
	if err := e.sync(ctx); err != nil {
		return err
	}
	clock := e.opts.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noteAhead(clock) // it may have been set back
	return nil
}

func (e *Engine) sync(ctx context.Context) error {
	at, head := e.cursor(), e.Head()
	stats, err := e.log.Stats(ctx)
	if err == nil && !e.ended.Load() {
		if _, err = stats.Resume(at); err == nil {
			_, err = stats.Resume(backend.Cursor{Seq: head})
		}
	}
	if err != nil {
		return fmt.Errorf("store: sync: ask for the log's last seq: %w", e.check(err))
	}
	e.learn(stats.Horizons, inMemory) // a page tells them again if it leaves something out
	if stats.LastSeq <= e.Head() {
		return e.Err()
	}
	if e.log.Features().Poll > 0 {
		if err := e.read(ctx, backend.Range{After: e.cursor()}, func(int) {}); err != nil {
			return fmt.Errorf("store: sync: read what others wrote: %w", err)
		}
	}
	return e.WaitFor(ctx, stats.LastSeq)
}
