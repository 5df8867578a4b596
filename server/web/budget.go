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

// A budget limits the bytes that requests take at a time. There are two: one for large bodies, facts and answers, and one
// for questions that are being answered and for small bodies. So small requests never wait for large ones.
type budget struct {
	max      int64
	patience time.Duration // how long a question or a large fact waits for room

	mu    sync.Mutex
	all   int64
	by    map[string]int64 // by the name of the client
	freed ctxsync.Signal
}

// The bytes that a request counts. Facts and answers of less than small are not counted.
const (
	small      = backend.LargePage
	ofQuestion = 8 << 20 // the answer to a question, and facts that are kept while it is made
	ofValue    = 1 << 20 // the same for one value
	ofEncoder  = 1 << 20 // for an answer that is compressed while it is sent
)

// How often large bytes are in memory.
const (
	timesWritten  = 3 // a body: the body, the fact, and the log's frame
	timesSent     = 3 // a page that is sent: the page, the text, and the earlier value or the compressed text
	timesAnswered = 5 // a fact that a question reads: the page, the fact, the earlier fact, the answer, and the compressed answer
)

// defaultBudget returns the default limit for the bytes of bodies, facts and answers, given the limit for one body. It is
// at most a quarter of the process's memory limit.
func defaultBudget(body int64) int64 {
	n := max(8*body, 128<<20)
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		n = min(n, max(limit/4, 4*ofQuestion))
	}
	return n
}

// A share is the part of a budget that one client takes, at most half of it. A larger need counts as half, so that a single
// request always finds room.
type share struct {
	of   *budget
	name string
	most int64

	n    int64 // guarded by the budget's mu, like over
	over bool  // the request has ended
}

// share returns an empty share of a client. With anybody, clients cannot be told apart.
func (b *budget) share(name string, anybody bool) share {
	if anybody {
		return share{of: b, name: name, most: b.max}
	}
	return share{of: b, name: name, most: b.max / 2}
}

// set sets the share to n bytes, without waiting. If there is no room, the share stays unchanged.
func (s *share) set(n int64) error { return s.change(func(int64) int64 { return n }) }

// add enlarges the share by n bytes, as set does.
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

// put sets the share to n bytes. The caller holds the budget's mu.
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

// await is set, but waits for room, no longer than patience.
func (s *share) await(ctx context.Context, n int64) error {
	return s.awaitChange(ctx, func(int64) int64 { return n })
}

// awaitAtLeast is await, but does not change a larger share.
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

// setLarge is set for n bytes that are already in memory. It ignores small numbers.
func (s *share) setLarge(n int) error {
	if n < small {
		n = 0
	}
	return s.set(int64(n))
}

// end empties the share. It then stays empty.
func (s *share) end() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.put(0)
	s.over = true
}

// sending returns a context for a loop over the log whose pages are sent. With it, the loop waits for room before it reads
// a large page.
func (x *exchange) sending(ctx context.Context) context.Context {
	return backend.WithRoom(ctx, func(n int) error { return x.large.await(ctx, timesSent*int64(n)) })
}

// answering returns a context for a question, which keeps the facts that it reads.
func (x *exchange) answering(ctx context.Context) context.Context {
	return backend.WithRoom(ctx, func(n int) error { return x.large.awaitAtLeast(ctx, timesAnswered*int64(n)) })
}
