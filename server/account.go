// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// An account counts what the connections of one client use at a time. A client is a token or a certificate. If the server
// requires neither, all connections share one account, which may use everything.
//
// It counts these bytes: the memory into which requests are read; requests that were read but not answered, twice, since
// the log copies them; 2 KiB for each request, and 1 KiB for each fact of a batch; and answers that are being sent. The
// first freeBytes of a connection are not counted.
type account struct {
	conns, streams int // guarded by Server.mu, like all fields
	bytes          int64
}

// A connection may use freeBytes without counting, so that small requests take no lock.
const freeBytes = 16 << 10

// defaultMemory returns the default limit for the memory of requests and answers: half of the memory limit of the process
// (see debug.SetMemoryLimit), or 1 GiB if it has none.
func defaultMemory() int {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return int(min(max(limit/2, 1), math.MaxInt))
	}
	return 1 << 30
}

// defaultConnections returns the default limit for connections: 10,000, or one for each 128 KiB of the memory limit of the
// process if that is less. An idle connection takes some 10 KiB; a busy one takes some 50 KiB that are not counted.
func defaultConnections() int {
	return int(min(max(debug.SetMemoryLimit(-1)>>17, 1), 10_000))
}

// join adds the connection to its client's account. The caller holds Server.mu.
func (c *conn) join() error {
	s, name := c.server, c.client.Grant.Name()
	if c.account != nil && name == c.accountName {
		return nil
	}
	a := s.accounts[name]
	if a == nil {
		a = &account{}
	}
	if a.conns >= s.opts.MaxConnectionsEach && !s.policy.Open() {
		s.metrics.rejected.Add(1)
		return fmt.Errorf("%w: %s has %d connections already: try again later", backend.ErrUnavailable, name, a.conns)
	}
	c.leave()
	a.conns++
	a.bytes += int64(c.used())
	s.accounts[name] = a
	c.account, c.accountName = a, name
	return nil
}

// leave removes the connection from its account. The caller holds Server.mu.
func (c *conn) leave() {
	a := c.account
	if a == nil {
		return
	}
	a.bytes -= int64(c.used())
	if a.conns--; a.conns == 0 {
		delete(c.server.accounts, c.accountName)
	}
	c.account = nil
}

// used returns the number of bytes counted for the connection. The caller holds Server.mu, or serves the connection.
func (c *conn) used() int { return c.taken + c.page + c.large }

// timesRead is how often the bytes of a request are in memory: in the block into which they were read, and twice beside it.
const timesRead = 3

// take counts the memory that the connection now uses to read and to handle requests. Its errors are hold's.
func (c *conn) take() error {
	return c.hold(&c.taken, c.in.Size()+(timesRead-1)*c.size+forRequest*c.together+c.extra)
}

// forRequest is about the memory that a request takes beside its bytes, for its fact and in the log.
const forRequest = 2 << 10

// patience is how long a stream waits for room for a large page. maxAwaiting limits the streams that wait at a time, since
// each has already read a part of the log.
const (
	patience    = 5 * time.Second
	maxAwaiting = 64
)

// await is hold, but waits for room, no longer than patience.
func (c *conn) await(ctx context.Context, purpose *int, n int) error {
	if err := c.hold(purpose, n); !errors.Is(err, backend.ErrUnavailable) || c.server.awaiting.Load() >= maxAwaiting {
		return err
	}
	c.server.awaiting.Add(1)
	defer c.server.awaiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		freed := c.server.freed.Changed()
		err := c.hold(purpose, n)
		if !errors.Is(err, backend.ErrUnavailable) {
			return err
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return err
		}
	}
}

// reading returns a context for a loop over the log. With it, the loop takes room for large pages before it reads them.
func (c *conn) reading(ctx context.Context) context.Context {
	return backend.WithRoom(ctx, func(n int) error { return c.await(ctx, &c.large, n) })
}

// hold sets the number of bytes that the connection uses for a purpose: taken, page or large. The error is
// backend.ErrTooLarge if the connection would use more than one connection may, and backend.ErrUnavailable if its client,
// or all clients together, would use too much; the number then stays unchanged. Using less is never an error. Large amounts
// may fill only seven eighths of the room, so that small requests do not wait for large ones.
func (c *conn) hold(purpose *int, n int) error {
	if n <= freeBytes {
		n = 0
	} else {
		n = (n + 1<<16 - 1) &^ (1<<16 - 1) // rounded up, so that it rarely changes, since a change takes a lock
	}
	if n == *purpose {
		return nil
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	more := int64(n - *purpose)
	over := func(used int64, limit int) bool {
		if more >= backend.LargePage {
			limit -= limit / 8
		}
		return used+more > int64(limit)
	}
	switch {
	case more < 0:
		s.freed.Notify()
	case n > s.opts.MaxMemoryConnection:
		return fmt.Errorf("%w: the request and its answer take more than %d bytes, which is the limit of a connection", backend.ErrTooLarge, s.opts.MaxMemoryConnection)
	case over(s.memory, s.opts.MaxMemory):
		return fmt.Errorf("%w: requests and answers take %d bytes of memory, of %d: try again later", backend.ErrUnavailable, s.memory, s.opts.MaxMemory)
	case c.account != nil && !s.policy.Open() && over(c.account.bytes, s.opts.MaxMemoryEach):
		return fmt.Errorf("%w: requests and answers of %s take %d bytes of memory, of %d: try again later", backend.ErrUnavailable, c.accountName, c.account.bytes, s.opts.MaxMemoryEach)
	}
	s.memory += more
	if c.account != nil {
		c.account.bytes += more
	}
	*purpose = n
	return nil
}

// openStream counts a stream of the connection, until it is closed.
func (c *conn) openStream() (closed func(), err error) {
	s, a := c.server, c.account
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.streams >= s.opts.MaxStreams:
		return nil, fmt.Errorf("%w: there are %d streams already: try again later", backend.ErrUnavailable, s.streams)
	case !s.policy.Open() && a.streams >= s.opts.MaxStreamsEach:
		return nil, fmt.Errorf("%w: %s has %d streams already: try again later", backend.ErrUnavailable, c.accountName, a.streams)
	}
	s.streams++
	a.streams++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.streams--
		a.streams--
	}, nil
}
