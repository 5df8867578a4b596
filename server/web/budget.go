// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// A budget is the bytes that requests may take now: bodies, questions that are being answered, and large answers that are not
// read yet.
type budget struct {
	max int64

	mu    sync.Mutex
	all   int64
	by    map[string]int64 // by the name of the client
	freed ctxsync.Signal
}

// What a request is counted for beside its body. Less than small is not counted.
const (
	small       = 512 << 10
	ofQuestion  = 8 << 20         // what is kept of the log while a question is answered, and the answer
	ofValue     = 1 << 20         // likewise for one value, at first
	ofEncoder   = 1 << 20         // of an answer that is compressed as it is sent
	patienceFor = 5 * time.Second // how long a question waits for room
)

// A share is what one client takes of a budget, of which it may have half. It is not safe for concurrent use.
type share struct {
	of   *budget
	name string
	most int64
	n    int64
	base int64 // part of n that stays
}

// share returns a share of a client that takes nothing yet; anybody: clients cannot be told apart.
func (b *budget) share(name string, anybody bool) share {
	if anybody {
		return share{of: b, name: name, most: b.max}
	}
	return share{of: b, name: name, most: b.max / 2}
}

// set makes the share n bytes, without waiting. If there is no room, the share stays as it is.
func (s *share) set(n int64) error {
	b := s.of
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > s.n && (b.all+n-s.n > b.max || b.by[s.name]+n-s.n > s.most) {
		return fmt.Errorf("%w: bodies and answers of requests may take %d bytes, and %d of one client: try again later", backend.ErrUnavailable, b.max, s.most)
	}
	b.all += n - s.n
	if b.by[s.name] += n - s.n; b.by[s.name] == 0 {
		delete(b.by, s.name)
	}
	if n < s.n {
		b.freed.Notify()
	}
	s.n = n
	return nil
}

// await is set that waits a while for room. More than the client may ever have is as much as it may have.
func (s *share) await(ctx context.Context, n int64) error {
	n = min(n, s.most)
	ctx, cancel := context.WithTimeout(ctx, patienceFor)
	defer cancel()
	for {
		freed := s.of.freed.Changed()
		err := s.set(n)
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

// keep adds n bytes that stay.
func (s *share) keep(n int64) error {
	err := s.set(s.n + n)
	if err == nil {
		s.base += n
	}
	return err
}

// setLarge is set for n bytes that are in memory already, unless they are few. More than the client may ever have is as much as it may
// have.
func (s *share) setLarge(n int) error {
	if n < small {
		n = 0
	}
	return s.set(min(s.base+int64(n), s.most))
}

// giveBack makes the share nothing. It may be used again.
func (s *share) giveBack() {
	if s.base = 0; s.n > 0 {
		_ = s.set(0) // less never fails
	}
}
