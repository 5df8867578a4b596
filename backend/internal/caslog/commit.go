// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A draft is a unit to append, as it was decided for the log as it is known.
type draft struct {
	kind        Kind
	first, last uint64
	body        []byte
	size        int                  // of the body as it was appended
	keep        func(at, end uint64) // takes in that it was appended, and at which positions; the caller holds mu
	drop        func()               // takes in that it was not; the caller holds mu; nil: there is nothing to do
}

// A flight is a unit that is being appended. What the tail reads meanwhile tells the outcome if the answer is slow or lost.
type flight struct {
	after   hash               // zero before it is sent
	cancel  context.CancelFunc // ends the append
	settled chan struct{}      // closed when the outcome was taken in
	seen    bool               // the tail has read the next position
	ours    bool               // what is there is the unit
}

// answerGrace is how long an append may take after its unit was read.
const answerGrace = 250 * time.Millisecond

// arrive says what is at the next position. If that is the unit, the answer is about to come. The caller holds mu.
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

// commit appends the unit that decide returns for the log as it is known. decide is called with mu held, and again
// whenever the head has moved. If it returns no unit, commit returns once it is sure that the log was known through its
// end. An error of decide ends it in the same way. After a success, the next unit waits for a while if another process wants its turn.
func (l *Log) commit(ctx context.Context, decide func() (*draft, error)) error {
	if err := l.takeTurn(ctx); err != nil {
		return err
	}
	defer l.turn.Unlock()
	return l.append(ctx, decide)
}

// takeTurn takes the turn when it is there, and another process has had its own.
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

// tryTurn takes the turn if it is there now.
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
			if fresh == known.pos { // the note that says what was pruned comes soon
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
			err = fmt.Errorf("%w: %w", ErrUnknown, err) // the tail knows it already
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
				f.ours = false // the tail has it only after this
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

// yield lets another process have its turn, if one wants it. The caller has this process's turn, and its append took as long.
func (l *Log) yield(took time.Duration) {
	if l.port.Wanted() {
		l.rest = time.Now().Add(min(2*took, maxYield))
	}
}
