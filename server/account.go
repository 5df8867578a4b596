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

// An account is what the connections of one client, which is a token or a certificate, use at a time. Where neither is
// asked for, all connections have one account, which may use all that the server has.
//
// Bytes are those of the memory that requests are read into; those of requests that were read and not answered, twice,
// since the log copies them; 2 KiB for each request, and 1 KiB for each fact of a batch; and those of answers that are being sent. What a connection
// takes up to freeBytes is not counted.
type account struct {
	conns, streams int // guarded by Server.mu, like all here
	bytes          int64
}

// freeBytes is how much a connection may use without being counted: small requests take no lock.
const freeBytes = 16 << 10

// defaultMemory returns what requests and answers may take by default: half of the memory limit of the process (see
// debug.SetMemoryLimit), or 1 GiB if it has none.
func defaultMemory() int {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return int(min(max(limit/2, 1), math.MaxInt))
	}
	return 1 << 30
}

// defaultConnections returns how many connections there may be by default: 10,000, or one for each 128 KiB of the memory limit of the
// process. A connection that is idle takes some 10 KiB, and one that is not some 50 KiB that are not counted.
func defaultConnections() int {
	return int(min(max(debug.SetMemoryLimit(-1)>>17, 1), 10_000))
}

// join makes the connection one of its client's account. The caller holds Server.mu.
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

// leave gives the account back. The caller holds Server.mu.
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

// used returns how many bytes are counted for the connection. The caller holds Server.mu, or serves the connection.
func (c *conn) used() int { return c.taken + c.page + c.large }

// timesRead is how often the bytes of a request are in memory: in what they were read into, and twice beside it.
const timesRead = 3

// take counts what the connection uses now to read and to handle requests. An error is one of hold's.
func (c *conn) take() error {
	return c.hold(&c.taken, c.in.Size()+(timesRead-1)*c.size+forRequest*c.together+c.extra)
}

// forRequest is about what a request takes, its fact and what the log makes of it, beside its bytes.
const forRequest = 2 << 10

// patience is how long a stream waits for room for a large page, and maxAwaiting how many streams do so at a time: each has read a part of
// the log.
const (
	patience    = 5 * time.Second
	maxAwaiting = 64
)

// await is hold that waits a while for room.
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

// reading returns a context for a loop over the log, which takes room for large pages before it reads them.
func (c *conn) reading(ctx context.Context) context.Context {
	return backend.WithRoom(ctx, func(n int) error { return c.await(ctx, &c.large, n) })
}

// hold says how many bytes the connection uses now for one of its purposes, taken, page or large. The error is
// backend.ErrTooLarge if they are more than one connection may use, and backend.ErrUnavailable if its client, or all
// together, use too many; it then uses what it did before. Using less is never an error. Much at a time may take seven eighths of the room:
// small requests need not wait for large ones.
func (c *conn) hold(purpose *int, n int) error {
	if n <= freeBytes {
		n = 0
	} else {
		n = (n + 1<<16 - 1) &^ (1<<16 - 1) // so that it mostly stays the same, which takes no lock
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
