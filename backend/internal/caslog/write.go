// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// A request is a batch that waits for its verdict.
type request struct {
	ctx    context.Context
	given  []backend.Fact // prepared
	drafts []wire.EncodedFact
	expect []backend.Expect
	size   int // about the number of bytes that it takes in a unit

	verdict backend.Written
	done    chan struct{} // closed when verdict is set
}

// A queue has the waiting requests.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	filled  chan struct{} // has an element if there may be requests
}

func newQueue() queue { return queue{filled: make(chan struct{}, 1)} }

func (q *queue) put(all ...*request) {
	q.mu.Lock()
	q.waiting = append(q.waiting, all...)
	q.mu.Unlock()
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0
}

// take removes the first requests that together fit a unit of some bytes, at least one.
func (q *queue) take(bytes int) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && (n == 0 || size+q.waiting[n].size <= bytes) {
		size += q.waiting[n].size
		n++
	}
	group := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return group
}

// WriteFact implements backend.Backend.
func (l *Log) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	err := l.ended(ctx)
	prepared := f
	if err == nil {
		prepared, err = sequencer.Prepare(f, l.opts.MaxFrame)
	}
	var w backend.Written
	if err == nil {
		r := newRequest(ctx, []backend.Fact{prepared}, nil)
		l.submit(ctx, r)
		w = l.await(r)
		err = w.Err
	}
	if err != nil {
		return backend.Fact{}, fmt.Errorf("%s: write fact %q: %w", l.opts.Name, f.ID, l.because(err))
	}
	return w.Facts[0], nil
}

// Write implements backend.Log.
func (l *Log) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	all := make([]backend.Written, len(batches))
	requests := make([]*request, len(batches))
	ended := l.ended(ctx)
	var queued []*request
	for i, b := range batches {
		facts, err := []backend.Fact(nil), ended
		if err == nil {
			facts, err = sequencer.PrepareBatch(b, l.opts.MaxFrame)
		}
		if all[i].Err = err; err == nil {
			requests[i] = newRequest(ctx, facts, slices.Clone(b.Expect))
			queued = append(queued, requests[i])
		}
	}
	l.submit(ctx, queued...)
	for i, r := range requests {
		if r != nil {
			all[i] = l.await(r)
		}
		if err := all[i].Err; err != nil {
			all[i] = backend.Written{Err: fmt.Errorf("%s: write batch of %d facts: %w", l.opts.Name, len(batches[i].Facts), l.because(err))}
		}
	}
	return all
}

func newRequest(ctx context.Context, facts []backend.Fact, expect []backend.Expect) *request {
	r := &request{ctx: ctx, given: facts, drafts: make([]wire.EncodedFact, len(facts)), expect: expect, done: make(chan struct{})}
	for i := range facts {
		f := &facts[i]
		r.drafts[i].Encode(f)
		r.size += sequencer.Size(f) + len(f.Key) + len(f.Store) + len(f.ID) + 256
	}
	return r
}

// await returns the verdict on a queued request.
func (l *Log) await(r *request) backend.Written {
	select {
	case <-r.done:
		return r.verdict
	case <-r.ctx.Done():
		return backend.Written{Err: r.ctx.Err()}
	case <-l.ctx.Done():
	}
	select {
	case <-r.done:
		return r.verdict
	default:
		return backend.Written{Err: backend.ErrClosed}
	}
}

// write appends the waiting requests, group by group, until the log is closed.
func (l *Log) write() {
	for {
		select {
		case <-l.queue.filled:
		case <-l.ctx.Done():
			return
		}
		for !l.queue.idle() {
			if !l.writeNext() {
				return
			}
		}
	}
}

// writeNext takes the turn, and appends as many waiting requests as fit a unit. It returns false when the log is closed.
func (l *Log) writeNext() bool {
	if l.takeTurn(l.ctx) != nil {
		return false
	}
	defer l.turn.Unlock()
	if group := l.queue.take(l.port.UnitBytes()); len(group) > 0 {
		l.writeGroup(l.ctx, group)
	}
	return l.ctx.Err() == nil
}

// loneBytes limits the size of a unit that its caller appends itself. A place may take long for a larger unit, and ignore
// ctx meanwhile.
const loneBytes = 64 << 10

// submit passes the requests of one caller to write. If no other caller waits, the caller appends them itself, which saves
// two switches of goroutines. If ctx ends meanwhile, they may still be appended.
func (l *Log) submit(ctx context.Context, all ...*request) {
	size := 0
	for _, r := range all {
		size += r.size
	}
	if len(all) == 0 || size > min(loneBytes, l.port.UnitBytes()) || !l.lone.Load() || !l.queue.idle() || !l.tryTurn() {
		l.queue.put(all...)
		return
	}
	defer l.turn.Unlock()
	ctx, cancel := l.during(ctx)
	defer cancel()
	l.writeGroup(ctx, all)
}

// writeGroup appends a group of requests and answers them. The caller has the turn.
func (l *Log) writeGroup(ctx context.Context, group []*request) {
	err := l.append(ctx, func() (*draft, error) {
		d, err := l.decide(group)
		if d == nil && err == nil && l.opts.Quorum {
			return l.besideDraft(Mark, struct{}{})
		}
		return d, err
	})
	if err != nil && l.ctx.Err() != nil {
		err = backend.ErrClosed
	}
	l.lone.Store(len(group) == 1 && l.queue.idle())
	for _, r := range group {
		if err != nil {
			r.verdict = backend.Written{Err: err}
		}
		close(r.done)
	}
}

// decide gives each request of a group its verdict for the known state of the log, and returns the unit of the new facts,
// nil if there are none. The caller holds mu.
func (l *Log) decide(group []*request) (*draft, error) {
	first := l.seq.Next()
	size := 0
	for _, r := range group {
		size += r.size
	}
	var bodies [][]byte
	scratch := make([]byte, 0, size)
	for _, r := range group {
		r.verdict = backend.Written{}
		if r.verdict.Err = r.ctx.Err(); r.verdict.Err != nil {
			continue // its caller has gone
		}
		facts := slices.Clone(r.given)
		from := l.seq.Next()
		fresh, err := l.seq.Assign(facts, r.expect, l.opts.Now())
		if errors.Is(err, errBehind) || errors.Is(err, backend.ErrCorrupt) {
			l.seq.Rollback()
			return nil, err
		}
		if err != nil {
			r.verdict.Err = err
			continue
		}
		if r.verdict.Facts = facts; fresh == 0 {
			continue
		}
		r.verdict.First = from
		size, added := 0, len(bodies)
		for i := range facts {
			if facts[i].Seq != from+uint64(len(bodies)-added) {
				continue // the log already held it, or the batch has it twice
			}
			start := len(scratch)
			scratch = r.drafts[i].Append(scratch, &facts[i])
			bodies = append(bodies, scratch[start:len(scratch):len(scratch)])
			size += len(scratch) - start + len(",\n")
		}
		if fresh > 1 {
			size += len("[\n]")
		} else {
			size -= len(",\n")
		}
		if size > l.opts.MaxFrame {
			l.seq.Undo(fresh)
			bodies = bodies[:added]
			r.verdict = backend.Written{Err: sequencer.TooLarge(l.opts.MaxFrame)}
		}
	}
	if len(bodies) == 0 {
		return nil, nil
	}
	d := &draft{kind: Facts, first: first, last: l.seq.Next() - 1, body: wire.AppendBodies(make([]byte, 0, len(scratch)+2*len(bodies)+4), bodies), drop: l.seq.Rollback}
	d.keep = func(at, _ uint64) {
		l.seq.Commit()
		if n := len(l.held); n > 0 && l.held[n-1][1]+1 == first {
			l.held[n-1][1] = d.last
		} else {
			l.held = append(l.held, [2]uint64{first, d.last})
		}
		l.added(first, d.last, at, d.body, d.size)
	}
	return d, nil
}
