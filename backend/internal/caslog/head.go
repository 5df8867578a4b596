// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// sync waits until the log is known through a head that it had at some moment after the call began.
func (l *Log) sync(ctx context.Context) error {
	head, err := l.head(ctx)
	if err != nil {
		return err
	}
	return l.reach(ctx, head)
}

// latest is sync for callers that read. With Quorum, a unit that is appended meanwhile proves that the head is known.
func (l *Log) latest(ctx context.Context) error {
	if !l.opts.Quorum || l.opts.Salvage {
		return l.sync(ctx)
	}
	r := newRequest(ctx, nil, nil)
	l.submit(ctx, r)
	return l.await(r).Err
}

// nudge is how long a caller waits for the tail to read through a head before the caller reads itself.
const nudge = 500 * time.Millisecond

// reach waits until the log is known through a position.
func (l *Log) reach(ctx context.Context, pos uint64) error {
	for {
		changed := l.change.Changed()
		l.mu.Lock()
		known, err := l.known, l.err()
		l.mu.Unlock()
		if err != nil || known.pos >= pos {
			return err
		}
		timer := time.NewTimer(nudge)
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
			err = l.takeAll(ctx, known, pos)
		}
		timer.Stop()
		if err != nil {
			return err
		}
	}
}

// takeAll reads the log through a position, if the place can be reached.
func (l *Log) takeAll(ctx context.Context, known head, through uint64) error {
	for s, err := range l.walk(ctx, known, through, true) {
		if err == nil {
			err = l.take(s)
		}
		if err != nil && !passes(err) {
			return l.fail(l.at(err))
		}
		if err != nil {
			return l.ended(ctx)
		}
	}
	return nil
}

// head returns the place's last position. It retries while the place can't be reached, and returns an error that is stuck.
// If the head stays below the known one for the time of doubt, facts were removed, and the log ends.
func (l *Log) head(ctx context.Context) (uint64, error) {
	var p pause
	var doubt time.Time
	for {
		l.mu.Lock()
		before, err := l.known, l.err()
		l.mu.Unlock()
		if err != nil {
			return 0, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		pos, err := l.port.Head(ctx)
		if err == nil || ctx.Err() == nil {
			l.met(err)
		}
		switch {
		case err != nil && !passes(err):
			return 0, l.fail(l.at(err))
		case stuck(err):
			return 0, err
		case err == nil && pos >= before.pos:
			l.setDoubted(false)
			return pos, nil
		case err == nil && doubt.IsZero():
			doubt = time.Now()
		}
		if err == nil {
			l.setDoubted(true)
			if time.Since(doubt) >= l.opts.Doubt {
				return 0, l.fail(l.cut(ctx, before, pos))
			}
		}
		if err := p.wait(ctx, l); err != nil {
			return 0, err
		}
	}
}

func (l *Log) setDoubted(doubted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubted = doubted
}

// at sets the cursor of a *backend.DivergedError from the port to this process's position.
func (l *Log) at(err error) error {
	var diverged *backend.DivergedError
	if !errors.As(err, &diverged) {
		return err
	}
	l.mu.Lock()
	known := l.known
	l.mu.Unlock()
	d := *diverged
	d.Cursor = backend.Cursor{Log: l.id, Seq: known.seq}
	d.Common = min(d.Common, known.seq)
	return &d
}

// cut returns the error of a log whose end was removed.
func (l *Log) cut(ctx context.Context, known head, pos uint64) error {
	through := uint64(0)
	if e, err := l.port.Get(ctx, pos); err == nil {
		if h, err := parseHeader(&e); err == nil {
			through = h.last
		}
	}
	return l.corrupt("the log held facts through seq %d, at position %d, and now ends with seq %d, at position %d: the last ones were taken away",
		known.seq, known.pos, through, pos)
}
