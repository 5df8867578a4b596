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

// A network may need seconds for one message. What waits for bytes gets time for them, and what was sent gets it too.
const (
	slowest   = 64 << 10         // bytes a second that the network should carry
	silence   = 15 * time.Second // a connection on which nothing comes for so long is dead, unless bytes are on their way to the server
	maxBurden = 30 * time.Second // the most that bytes on their way make that longer

	slowTimeout = 30 * time.Second // of a request on a slow network, instead of callTimeout
	slowFor     = time.Minute      // the network is taken for slow so long after it was seen to be
	slowAnswer  = 2 * time.Second  // it was, if something took longer while bytes came steadily and slowly

	// Bytes come steadily and slowly if there are as many in each tick. That tells a slow network from a server that does not answer.
	tick     = slowAnswer / 4
	fewBytes = 8 << 10
	allBytes = 1 << 20
)

// A pace is what is known of how fast bytes come.
type pace struct {
	until  atomic.Int64 // the network is taken for slow until this time, in nanoseconds
	burden atomic.Int64 // until when bytes may be on their way to the server

	mu     sync.Mutex
	steady time.Time // since then they come steadily and slowly
	begun  time.Time // when the last tick began
	bytes  int       // that have come in it
}

func (p *pace) slow() bool { return time.Now().UnixNano() < p.until.Load() }

// busy reports whether a network that is slow explains that the server has not answered.
func (p *pace) busy() bool { return p.slow() || time.Now().UnixNano() < p.burden.Load() }

// came takes in that bytes came.
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

// waited takes in that something took from begun until now.
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

// A line is a connection that ends when nothing comes, rather than when the answer to a ping is late: it may be behind a large message.
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
