// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// A budget is the bytes that requests may take now. There are two: one for large bodies, facts and answers, and one for questions that
// are being answered and small bodies, so that what is small never waits for what is large.
type budget struct {
	max      int64
	patience time.Duration // how long a question, and a large fact, waits for room

	mu    sync.Mutex
	all   int64
	by    map[string]int64 // by the name of the client
	freed ctxsync.Signal
}

// What a request is counted for. Facts and answers of less than small are not counted.
const (
	small      = backend.LargePage
	ofQuestion = 8 << 20 // what is kept of the log while a question is answered, and the answer
	ofValue    = 1 << 20 // likewise for one value
	ofEncoder  = 1 << 20 // of an answer that is compressed as it is sent
)

// How often the bytes of something large are in memory.
const (
	timesWritten  = 3 // a body: it, the fact, and the log's frame
	timesSent     = 3 // a page that is sent: it, the text, and the value before it or the text compressed
	timesAnswered = 5 // what a question reads: the page, the fact, the one before it, the answer, and the answer compressed
)

// defaultBudget returns how many bytes bodies, facts and answers may take by default, if a body may have so many: at most a quarter of
// the process's memory limit.
func defaultBudget(body int64) int64 {
	n := max(8*body, 128<<20)
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		n = min(n, max(limit/4, 4*ofQuestion))
	}
	return n
}

// A share is what one client takes of a budget, of which it may have half. What is more than that counts as that: what is alone
// always finds room.
type share struct {
	of   *budget
	name string
	most int64

	n    int64 // guarded by the budget's mu, like over
	over bool  // the request has ended
}

// share returns a share of a client that takes nothing yet; anybody: clients cannot be told apart.
func (b *budget) share(name string, anybody bool) share {
	if anybody {
		return share{of: b, name: name, most: b.max}
	}
	return share{of: b, name: name, most: b.max / 2}
}

// set makes the share n bytes, without waiting. If there is no room, the share stays as it is.
func (s *share) set(n int64) error { return s.change(func(int64) int64 { return n }) }

// add makes the share n bytes larger, as set does.
func (s *share) add(n int64) error { return s.change(func(now int64) int64 { return now + n }) }

func (s *share) change(to func(now int64) int64) error {
	b := s.of
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.over {
		return context.Canceled
	}
	n := min(to(s.n), s.most)
	if n > s.n && (b.all+n-s.n > b.max || b.by[s.name]+n-s.n > s.most) {
		return fmt.Errorf("%w: bodies and answers of requests may take %d bytes, and %d of one client: try again later", backend.ErrUnavailable, b.max, s.most)
	}
	s.put(n)
	return nil
}

// put makes the share n bytes. The caller holds the budget's mu.
func (s *share) put(n int64) {
	b := s.of
	b.all += n - s.n
	if b.by[s.name] += n - s.n; b.by[s.name] == 0 {
		delete(b.by, s.name)
	}
	if n < s.n {
		b.freed.Notify()
	}
	s.n = n
}

// await is set that waits a while for room.
func (s *share) await(ctx context.Context, n int64) error {
	return s.awaitChange(ctx, func(int64) int64 { return n })
}

// awaitAtLeast is await, and leaves a share as it is that has more.
func (s *share) awaitAtLeast(ctx context.Context, n int64) error {
	return s.awaitChange(ctx, func(now int64) int64 { return max(now, n) })
}

func (s *share) awaitChange(ctx context.Context, to func(now int64) int64) error {
	ctx, cancel := context.WithTimeout(ctx, s.of.patience)
	defer cancel()
	for {
		freed := s.of.freed.Changed()
		err := s.change(to)
		if err == nil {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return err
		}
	}
}

// setLarge is set for n bytes that are in memory already, unless they are few.
func (s *share) setLarge(n int) error {
	if n < small {
		n = 0
	}
	return s.set(int64(n))
}

// end makes the share nothing, and leaves it so.
func (s *share) end() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.put(0)
	s.over = true
}

// sending returns a context for a loop over the log whose pages are sent: it waits for room for a large page before it is read.
func (x *exchange) sending(ctx context.Context) context.Context {
	return backend.WithRoom(ctx, func(n int) error { return x.large.await(ctx, timesSent*int64(n)) })
}

// answering returns a context for a question, which keeps what it reads.
func (x *exchange) answering(ctx context.Context) context.Context {
	return backend.WithRoom(ctx, func(n int) error { return x.large.awaitAtLeast(ctx, timesAnswered*int64(n)) })
}
