// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A draft is a unit to append. It was decided for the known state of the log.
type draft struct {
	kind        Kind
	first, last uint64
	body        []byte
	size        int                  // of the body in its appended form
	keep        func(at, end uint64) // called once the unit was appended, with its positions; the caller holds mu
	drop        func()               // called if the unit was not appended; the caller holds mu; nil: there is nothing to do
}

// A flight is a unit that is being appended. If the answer is slow or lost, the units that the tail reads meanwhile tell
// the outcome.
type flight struct {
	after   hash               // zero before it is sent
	cancel  context.CancelFunc // ends the append
	settled chan struct{}      // closed when the outcome was handled
	seen    bool               // the tail has read the next position
	ours    bool               // the unit at that position is this one
}

// answerGrace limits the time of an append after the tail has read its unit.
const answerGrace = 250 * time.Millisecond

// arrive reports the unit at the next position. If it is the flight's unit, the answer is about to come. The caller holds
// mu.
func (f *flight) arrive(after hash) {
	if f.seen {
		return
	}
	f.seen, f.ours = true, after == f.after
	if f.ours {
		time.AfterFunc(answerGrace, f.cancel)
	} else {
		f.cancel()
	}
}

// commit appends the unit that decide returns for the known state of the log. decide is called with mu held, and again
// whenever the head has moved. If decide returns no unit, commit returns once it is sure that the log was known through its
// end. An error of decide ends commit in the same way. After a success, the next unit waits for a while if another process
// wants its turn.
func (l *Log) commit(ctx context.Context, decide func() (*draft, error)) error {
	if err := l.takeTurn(ctx); err != nil {
		return err
	}
	defer l.turn.Unlock()
	return l.append(ctx, decide)
}

// takeTurn waits for the turn, and until another process that wants to append has had time for it.
func (l *Log) takeTurn(ctx context.Context) error {
	if err := l.turn.Lock(ctx); err != nil {
		return err
	}
	wait := time.Until(l.rest)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		l.turn.Unlock()
		return ctx.Err()
	}
}

// tryTurn takes the turn if it is free now.
func (l *Log) tryTurn() bool {
	if !l.turn.TryLock() {
		return false
	}
	if time.Now().Before(l.rest) {
		l.turn.Unlock()
		return false
	}
	return true
}

// append is commit for a caller that has the turn.
func (l *Log) append(ctx context.Context, decide func() (*draft, error)) error {
	if l.opts.Salvage {
		return fmt.Errorf("%w: the log was opened to salvage what is left: write this to a new log", backend.ErrForbidden)
	}
	var p pause
	for {
		l.mu.Lock()
		if err := l.err(); err != nil {
			l.mu.Unlock()
			return err
		}
		if l.doubted { // a unit after a missing one could not be read
			l.mu.Unlock()
			if _, err := l.head(ctx); err != nil {
				return err
			}
			continue
		}
		known := l.known
		d, err := decide()
		if err != nil || d == nil {
			l.mu.Unlock()
			fresh, headErr := l.head(ctx)
			if headErr != nil {
				return headErr
			}
			if fresh == known.pos && !errors.Is(err, errBehind) {
				return err
			}
			if err := l.reach(ctx, fresh); err != nil {
				return err
			}
			if fresh == known.pos { // the note of the prune comes soon
				if err := p.wait(ctx, l); err != nil {
					return err
				}
			}
			continue
		}
		inner, cancel := context.WithCancel(ctx)
		f := &flight{cancel: cancel, settled: make(chan struct{})}
		l.flight = f
		if l.asked.IsZero() {
			l.asked = time.Now()
		}
		l.mu.Unlock()

		h := header{log: l.id, first: d.first, last: d.last, before: known.hash}
		var body []byte
		body, h.packed = pack(d.kind, d.body)
		d.size = len(body)
		h.seal(d.kind, body)
		l.mu.Lock()
		f.after = h.after
		l.mu.Unlock()

		begun := time.Now()
		pos, err := l.port.Append(inner, known.pos, Unit{d.kind, h.String(), body})
		cancel()
		if err == nil && pos < known.pos+1 {
			err = fmt.Errorf("%w: a unit was appended at position %d after position %d", backend.ErrFailed, pos, known.pos)
		}
		l.mu.Lock()
		l.flight, l.lost = nil, nil
		if err == nil || errors.Is(err, ErrHeadMoved) {
			l.asked = time.Time{}
		}
		if err != nil && f.seen && !errors.Is(err, ErrHeadMoved) {
			err = fmt.Errorf("%w: %w", ErrUnknown, err) // the tail already knows the outcome
		}
		switch {
		case err == nil:
			l.known = head{pos, known.pos + 1, h.after, max(known.seq, d.last)}
			d.keep(known.pos+1, pos)
		default:
			if d.drop != nil {
				d.drop()
			}
			if errors.Is(err, ErrUnknown) {
				l.lost = f
				f.ours = false // the tail reads it only later
			}
		}
		l.mu.Unlock()
		close(f.settled)
		l.change.Notify()

		switch {
		case err == nil:
			l.yield(time.Since(begun))
			return nil
		case !errors.Is(err, ErrHeadMoved) && !errors.Is(err, ErrUnknown) && !errors.Is(err, backend.ErrUnavailable):
			if !passes(err) || errors.Is(err, backend.ErrFailed) {
				err = l.fail(l.at(err))
			}
			return err
		}
		if err := l.sync(ctx); err != nil {
			return err
		}
		l.mu.Lock()
		landed := f.ours
		l.lost = nil
		moved := l.known.pos > known.pos
		l.mu.Unlock()
		if landed {
			l.yield(time.Since(begun))
			return nil
		}
		if moved {
			l.port.Want()
			p = 0
		} else if err := p.wait(ctx, l); err != nil {
			return err
		}
	}
}

// maxYield is the longest time that a process waits for another one to append.
const maxYield = 50 * time.Millisecond

// yield gives another process time to append, if one wants to. The caller has this process's turn; took is the time of its
// append.
func (l *Log) yield(took time.Duration) {
	if l.port.Wanted() {
		l.rest = time.Now().Add(min(2*took, maxYield))
	}
}
