// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// Limits of a group, the writes of one transaction: it has at least one write, and takes no more once it has this many
// facts or bytes.
const (
	groupFacts = 1000
	groupBytes = 8 << 20
)

// A write is a batch that waits for the committer.
type write struct {
	ctx     context.Context // of the caller, which may have left
	given   []backend.Fact  // prepared
	encoded []wire.EncodedFact
	expect  []backend.Expect
	now     time.Time
	size    int

	facts []backend.Fact // as the log holds them, once done
	first uint64
	err   error
	done  chan struct{} // receives a value once the write is answered
}

// newWrite returns a write of prepared facts.
func (l *Log) newWrite(ctx context.Context, facts []backend.Fact, expect []backend.Expect) *write {
	w := &write{ctx: ctx, given: facts, expect: slices.Clone(expect), now: l.opts.Now(), done: make(chan struct{}, 1)}
	w.encoded = make([]wire.EncodedFact, len(facts))
	for i := range facts {
		w.encoded[i].Encode(&facts[i])
		w.size += sequencer.Size(&facts[i])
	}
	return w
}

// WriteFact implements backend.Backend. If ctx ends while the fact is being written, WriteFact returns at once, and the
// fact may still be written.
func (l *Log) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	err := ctx.Err()
	var prepared backend.Fact
	if err == nil {
		prepared, err = sequencer.Prepare(f, l.opts.MaxFrame)
	}
	if err == nil {
		w := l.newWrite(ctx, []backend.Fact{prepared}, nil)
		if err = l.submit(w); err == nil {
			err = l.answer(w)
		}
		if err == nil {
			return w.facts[0], nil
		}
	}
	return backend.Fact{}, fmt.Errorf("postgres: write fact %q: %w", f.ID, err)
}

// Write implements backend.Log. It treats ctx like WriteFact.
func (l *Log) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	if err := ctx.Err(); err != nil {
		return backend.Refused(len(batches), fmt.Errorf("postgres: write %d batches: %w", len(batches), err))
	}
	all := make([]backend.Written, len(batches))
	writes := make([]*write, len(batches))
	var waiting []*write
	for i, b := range batches {
		facts, err := sequencer.PrepareBatch(b, l.opts.MaxFrame)
		if err != nil {
			all[i].Err = err
			continue
		}
		writes[i] = l.newWrite(ctx, facts, b.Expect)
		waiting = append(waiting, writes[i])
	}
	err := l.submit(waiting...)
	for i, w := range writes {
		x := &all[i]
		if w != nil {
			if x.Err = err; err == nil {
				x.Err = l.answer(w)
			}
			if x.Err == nil {
				x.Facts, x.First = w.facts, w.first
			}
		}
		if x.Err != nil {
			x.Err = fmt.Errorf("postgres: write batch of %d facts: %w", len(batches[i].Facts), x.Err)
		}
	}
	return all
}

// submit hands writes to the committer, which answers each.
func (l *Log) submit(all ...*write) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return backend.ErrClosed
	}
	if l.known.lost != nil {
		return l.known.lost
	}
	l.queue = append(l.queue, all...)
	wake(l.work)
	return nil
}

// answer waits for the answer to a write, or for the end of its context. In the latter case the committer may still have
// the write.
func (l *Log) answer(w *write) error {
	select {
	case <-w.done:
		return w.err
	case <-w.ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.queue, w); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
	}
	if l.trouble != nil {
		return fmt.Errorf("%w: %w", l.trouble, w.ctx.Err())
	}
	return w.ctx.Err()
}

// commit is the committer: it writes the waiting writes, one group after the other, until the log is closed.
func (l *Log) commit() {
	for {
		g, ok := l.next()
		if !ok {
			return
		}
		if len(g) > 0 {
			l.write(g)
			continue
		}
		<-l.work
	}
}

// next returns the next group, and false once the log is closed.
func (l *Log) next() ([]*write, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		for _, w := range l.queue {
			w.finish(backend.ErrClosed)
		}
		l.queue = nil
		return nil, false
	}
	n, facts, size := 0, 0, 0
	for n < len(l.queue) && (n == 0 || facts+len(l.queue[n].given) <= groupFacts && size+l.queue[n].size <= groupBytes) {
		facts, size = facts+len(l.queue[n].given), size+l.queue[n].size
		n++
	}
	g := slices.Clone(l.queue[:n])
	l.queue = slices.Delete(l.queue, 0, n)
	return g, true
}

func (w *write) finish(err error) {
	if err != nil {
		w.facts, w.first = nil, 0
	}
	w.err = err
	w.done <- struct{}{}
}

// write writes a group and answers it. While the server can't be reached, it retries, without the writes whose callers have
// left.
func (l *Log) write(g []*write) {
	for attempt := 0; ; attempt++ {
		g = slices.DeleteFunc(g, func(w *write) bool {
			left := w.ctx.Err() != nil
			if left {
				w.finish(w.ctx.Err())
			}
			return left
		})
		if len(g) == 0 {
			return
		}
		size := 0
		for _, w := range g {
			size += w.size
		}
		trip, end := context.WithTimeout(l.life, tripTimeout+timeFor(size))
		err := l.try(trip, g, size)
		end()
		v, named := final, error(nil)
		if err != nil {
			v, named = judge(err)
		}
		l.mu.Lock()
		closing := l.closing
		l.trouble = nil
		if v == again && !errors.Is(err, errAgain) {
			l.trouble = named
		}
		l.mu.Unlock()
		if v == again && closing || l.life.Err() != nil && err != nil {
			v, named = final, backend.ErrClosed
		}
		if v == final {
			if sqlState(err) == readOnly {
				l.reset()
			}
			for _, w := range g {
				if named != nil {
					w.err = named
				}
				w.finish(w.err)
			}
			return
		}
		if !errors.Is(err, errAgain) {
			l.failed(err)
		}
		if !errors.Is(err, errAgain) || attempt > 2 {
			_ = wait(l.life, pause(attempt)) // the loop checks above whether life has ended
		}
	}
}

// try makes the two trips of a group of the given size. If it returns nil, each write of the group has its own verdict, and
// new facts are durable.
func (l *Log) try(ctx context.Context, g []*write, size int) error {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	run := pipeline{conn}
	d := newDecision()
	for _, w := range g {
		d.ask(w.given, w.expect)
	}
	p := l.depart()
	all := append([]statement{{sql: begin}}, p.statements(l.number, settings, lockRow)...)
	all = append(all, beforeSending(size)...)
	if err := run.run(ctx, append(all, d.statements(l.number)...)...); err != nil {
		return err
	}
	if err := l.admit(ctx, conn.Conn(), &p); err != nil {
		return err
	}
	d.begin(&p)
	last := p.last.seq
	for _, w := range g {
		w.facts = slices.Clone(w.given)
		w.first, w.err = d.assign(w.facts, w.encoded, w.expect, w.now, l.opts.MaxFrame)
	}
	notices := conn.Conn().PgConn().CustomData()
	delete(notices, warning)
	what := statement{sql: replicated, row: func(scan func(...any) error) error { return scan(new(any)) }}
	if len(d.rows.seqs) > 0 {
		what = d.rows.insert(l.number)
	}
	err = run.run(ctx, what, statement{sql: commit, done: func(tag string, _ int64) error {
		if tag != "COMMIT" {
			return fmt.Errorf("%w: the transaction was rolled back (%s)", errAgain, tag)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	if notices[warning] != nil {
		return errUnreplicated
	}
	if n := len(d.rows.seqs); n > 0 {
		last = uint64(d.rows.seqs[n-1])
		l.saw(last, last, d.rows.ids[n-1])
		l.change.Notify()
		wake(l.told)
	} else {
		l.saw(last, 0, nil)
	}
	return nil
}

// beforeSending returns the statements that a transaction needs before it sends facts of the given size; mostly none.
func beforeSending(size int) []statement {
	if size < 256<<10 {
		return nil
	}
	return []statement{{sql: patience, args: []any{fmt.Sprintf("%ds", 10+int(timeFor(size).Seconds()))}}}
}

// saw records that the log was read through a seq, and, unless mark is 0, the ID of the fact at mark.
func (l *Log) saw(through, mark uint64, id []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := &l.known
	k.seen = max(k.seen, through)
	if mark > k.mark {
		k.mark, k.markID = mark, id
	}
}
