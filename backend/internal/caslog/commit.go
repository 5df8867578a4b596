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
	keep        func(at, end uint64) // takes in that it was appended, and at which positions; the caller holds mu
	drop        func()               // takes in that it was not; the caller holds mu; nil: there is nothing to do
}

// A flight is a unit that is being appended.
type flight struct {
	after   hash
	arrived chan struct{} // closed when the tail has read the next position
	settled chan struct{} // closed when the outcome was taken in
	seen    bool
	ours    bool // what the tail has read is the unit
}

// arrive says what is at the next position. The caller holds mu.
func (f *flight) arrive(after hash) {
	if !f.seen {
		f.seen, f.ours = true, after == f.after
		close(f.arrived)
	}
}

// commit appends the unit that decide returns for the log as it is known. decide is called with mu held, and again
// whenever the head has moved. If it returns no unit, commit returns once it is sure that the log was known through its
// end. An error of decide ends it in the same way. It reports how long the append took.
func (l *Log) commit(ctx context.Context, decide func() (*draft, error)) (took time.Duration, err error) {
	if l.opts.Salvage {
		return 0, fmt.Errorf("%w: the log was opened to salvage what is left: write this to a new log", backend.ErrForbidden)
	}
	if err := l.turn.Lock(ctx); err != nil {
		return 0, err
	}
	defer l.turn.Unlock()
	var p pause
	for {
		l.mu.Lock()
		if err := l.err(); err != nil {
			l.mu.Unlock()
			return 0, err
		}
		known := l.known
		d, err := decide()
		if err != nil || d == nil {
			l.mu.Unlock()
			fresh, headErr := l.head(ctx)
			if headErr != nil {
				return 0, headErr
			}
			if fresh == known.pos && !errors.Is(err, errBehind) {
				return 0, err
			}
			if err := l.reach(ctx, fresh); err != nil {
				return 0, err
			}
			if fresh == known.pos { // the note that says what was pruned comes soon
				if err := p.wait(ctx, l); err != nil {
					return 0, err
				}
			}
			continue
		}
		h := header{log: l.id, first: d.first, last: d.last, before: known.hash}
		h.seal(d.kind, d.body)
		f := &flight{after: h.after, arrived: make(chan struct{}), settled: make(chan struct{})}
		l.flight = f
		l.mu.Unlock()

		begun := time.Now()
		pos, err := l.send(ctx, known.pos, Unit{d.kind, h.String(), d.body}, f)
		took = time.Since(begun)
		if err == nil && pos < known.pos+1 {
			err = fmt.Errorf("%w: a unit was appended at position %d after position %d", backend.ErrFailed, pos, known.pos)
		}
		l.mu.Lock()
		l.flight, l.lost = nil, nil
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
			return took, nil
		case !errors.Is(err, ErrHeadMoved) && !errors.Is(err, ErrUnknown) && !errors.Is(err, backend.ErrUnavailable):
			if !passes(err) || errors.Is(err, backend.ErrFailed) {
				err = l.fail(l.at(err))
			}
			return 0, err
		}
		if err := l.sync(ctx); err != nil {
			return 0, err
		}
		l.mu.Lock()
		landed := f.ours
		l.lost = nil
		moved := l.known.pos > known.pos
		l.mu.Unlock()
		if landed {
			return time.Since(begun), nil
		}
		if moved {
			l.port.Want()
			p = 0
		} else if err := p.wait(ctx, l); err != nil {
			return 0, err
		}
	}
}

// send appends a unit. It also looks at what the tail reads meanwhile, which tells the outcome if the answer is slow or
// lost.
func (l *Log) send(ctx context.Context, head uint64, u Unit, f *flight) (uint64, error) {
	type answer struct {
		pos uint64
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		pos, err := l.port.Append(ctx, head, u)
		answered <- answer{pos, err}
	}()
	select {
	case a := <-answered:
		return a.pos, a.err
	case <-f.arrived:
	}
	// Position head+1 is taken. If it is by this unit, the answer is about to come.
	timer := time.NewTimer(answerGrace)
	defer timer.Stop()
	if f.isOurs(l) {
		select {
		case a := <-answered:
			return a.pos, a.err
		case <-timer.C:
		}
	}
	cancel()
	a := <-answered
	if a.err == nil || errors.Is(a.err, ErrHeadMoved) {
		return a.pos, a.err
	}
	return 0, fmt.Errorf("%w: %w", ErrUnknown, a.err) // the tail knows it already
}

// answerGrace is how long an append may take after its unit was read.
const answerGrace = 250 * time.Millisecond

func (f *flight) isOurs(l *Log) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f.ours
}
