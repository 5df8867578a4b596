// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A slow network may need seconds for one message. So waits are extended while bytes arrive, or are on their way to the
// server.
const (
	slowest   = 64 << 10         // bytes a second that the network should carry
	silence   = 15 * time.Second // a connection on which nothing arrives for this time is dead, unless bytes are on their way to the server
	maxBurden = 30 * time.Second // the most by which bytes on their way extend silence

	slowTimeout = 30 * time.Second // of a request on a slow network, instead of callTimeout
	slowFor     = time.Minute      // how long the network counts as slow after it was found to be slow
	slowAnswer  = 2 * time.Second  // the network is slow if a call took longer while bytes arrived steadily and slowly

	// Bytes arrive steadily and slowly if each tick has a number of them within these bounds. This distinguishes a slow
	// network from a server that does not answer.
	tick     = slowAnswer / 4
	fewBytes = 8 << 10
	allBytes = 1 << 20
)

// A pace measures how fast bytes arrive.
type pace struct {
	until  atomic.Int64 // the time until which the network counts as slow, in nanoseconds
	burden atomic.Int64 // the time until which bytes may be on their way to the server

	mu     sync.Mutex
	steady time.Time // the time since which bytes arrive steadily and slowly
	begun  time.Time // when the last tick began
	bytes  int       // that have arrived in this tick
}

func (p *pace) slow() bool { return time.Now().UnixNano() < p.until.Load() }

// busy reports whether a slow network can explain that the server has not answered.
func (p *pace) busy() bool { return p.slow() || time.Now().UnixNano() < p.burden.Load() }

// came records that bytes arrived.
func (p *pace) came(bytes int) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if took := now.Sub(p.begun); took >= tick {
		if took >= 2*tick || p.bytes < fewBytes || p.bytes > allBytes {
			p.steady = now
		}
		p.begun, p.bytes = now, 0
	}
	p.bytes += bytes
}

// waited records a call that took from begun until now.
func (p *pace) waited(begun time.Time) {
	now := time.Now()
	if now.Sub(begun) < slowAnswer {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.begun) < 2*tick && p.steady.Sub(begun) < 2*tick {
		p.until.Store(now.Add(slowFor).UnixNano())
	}
}

// A dialer makes lines.
type dialer struct {
	net.Dialer
	pace *pace
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return &line{Conn: c, pace: d.pace}, nil
}

// A line is a connection that ends when nothing arrives, rather than when the answer to a ping is late, since the answer
// may be behind a large message.
type line struct {
	net.Conn
	pace    *pace
	bounded atomic.Bool // somebody has set a deadline
}

func (c *line) SetDeadline(t time.Time) error {
	c.bounded.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

func (c *line) Write(b []byte) (int, error) {
	now := time.Now()
	from := max(now.UnixNano(), c.pace.burden.Load())
	c.pace.burden.Store(min(from+int64(len(b))*int64(time.Second)/slowest, now.Add(maxBurden).UnixNano()))
	return c.Conn.Write(b)
}

func (c *line) Read(b []byte) (int, error) {
	begun := time.Now()
	for {
		var limit time.Time
		if !c.bounded.Load() {
			limit = time.Unix(0, max(begun.UnixNano(), c.pace.burden.Load())).Add(silence)
			if err := c.SetReadDeadline(limit); err != nil {
				return 0, err
			}
		}
		n, err := c.Conn.Read(b)
		c.pace.came(n)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !limit.IsZero() && c.pace.burden.Load() > limit.Add(-silence).UnixNano() {
			continue // more was sent meanwhile
		}
		return n, err
	}
}
