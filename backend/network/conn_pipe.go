// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A call is a request and its answer.
type call struct {
	frame []byte        // the request
	wake  chan struct{} // has room for one value, which tells the caller to look again

	// The pipe's mu guards these fields until ended is set; then the caller owns them.
	ended bool                 // there is an answer, or none will come
	left  bool                 // the caller does not wait any more
	body  []byte               // the answer
	hello *protocol.HelloReply // of the connection of the answer
	err   error                // why there is no answer
}

// newCall returns a call for a caller to submit. It may have the frame of an earlier call, which the caller overwrites.
func (c *client) newCall() *call {
	if cl, ok := c.calls.Get().(*call); ok {
		return cl
	}
	return &call{wake: make(chan struct{}, 1)}
}

// freeCall makes an ended call available for reuse.
func (c *client) freeCall(cl *call) {
	if cl.body, cl.err, cl.hello = nil, nil, nil; cap(cl.frame) > 64<<10 {
		cl.frame = nil
	}
	c.calls.Put(cl)
}

// reset makes the call ready to be submitted.
func (cl *call) reset() {
	cl.ended, cl.left, cl.body, cl.err = false, false, nil, nil
	select {
	case <-cl.wake:
	default:
	}
}

func (cl *call) nudge() {
	select {
	case cl.wake <- struct{}{}:
	default:
	}
}

// A pipe is a connection for any number of calls at a time. A goroutine writes all queued requests with one write; if only
// one call is in flight, its caller writes the request itself. Waiting callers read answers for each other: one of them
// reads, and wakes the callers whose answers it has read.
//
// A goroutine that reads all answers would need 130 lines less, but a lone call would wait for one more switch of
// goroutines. Medians of three runs of BenchmarkPipe turn about, with the server in another process:
//
//	                        callers read    a goroutine reads
//	lone call, Unix socket         70 µs               135 µs
//	lone call, TCP                 71 µs               128 µs
//	64 callers, TCP             63,700/s             53,300/s
//	256 callers, TCP            89,100/s             76,000/s
type pipe struct {
	*session
	limit time.Duration // how long the server may be silent while calls wait
	lost  func(error)   // called once, with the reason, before the calls in flight end
	wake  chan struct{} // has room for one value: there are frames to write

	mu      sync.Mutex
	out     []byte  // frames to be written
	writing bool    // a caller writes its own frame
	reading bool    // a caller reads answers, or write probes the connection
	waiting []*call // the calls in flight, the oldest first, from index first on
	first   int
	err     error         // why the pipe takes no more calls; nil if it takes calls
	closed  chan struct{} // closed when err is set
}

// errLost is a connection that broke off before the answer came.
var errLost = errors.New("the connection was lost")

// newPipe returns a pipe that uses s. If the server is silent for as long as silence, calls without an answer are lost. The
// caller must start write.
func newPipe(s *session, silence time.Duration, lost func(error)) *pipe {
	s.limitSilence(silence)
	return &pipe{session: s, limit: silence, lost: lost, wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

// loneSize is the largest frame that a caller writes itself. A socket has room for it.
const loneSize = 8 << 10

// submit sends a call or queues it to be sent; after an error it has done neither. If no other call is in flight, the
// caller sends its call itself, which saves a switch of goroutines. This does not block: the server has answered, and
// therefore read, all earlier requests.
func (p *pipe) submit(cl *call) error {
	if limit := p.hello.MaxFrame; len(cl.frame)-wire.FrameOverhead > limit {
		return sequencer.TooLarge(limit)
	}
	cl.reset()
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return errLost
	}
	if p.first == len(p.waiting) {
		p.touch() // the server was owed no answer before
	}
	alone := p.first == len(p.waiting) && !p.writing && len(p.out) == 0 && len(cl.frame) <= loneSize
	p.waiting = append(p.waiting, cl)
	if !alone {
		p.out = append(p.out, cl.frame...)
		p.mu.Unlock()
		p.nudge()
		return nil
	}
	p.writing = true
	p.mu.Unlock()
	_, err := p.Write(cl.frame)
	if err != nil {
		p.fail(err) // fails the call, too
		return nil
	}
	p.mu.Lock()
	p.writing = false
	more := len(p.out) > 0
	p.mu.Unlock()
	if more {
		p.nudge()
	}
	return nil
}

// submitAll queues calls to be sent, and skips nil ones. If it does not take calls[i], it sets verdicts[i].Err.
func (p *pipe) submitAll(calls []*call, verdicts []backend.Written) {
	p.mu.Lock()
	if p.err == nil && p.first == len(p.waiting) {
		p.touch() // the server was owed no answer before
	}
	for i, cl := range calls {
		switch {
		case cl == nil:
		case len(cl.frame)-wire.FrameOverhead > p.hello.MaxFrame:
			verdicts[i].Err = sequencer.TooLarge(p.hello.MaxFrame)
		case p.err != nil:
			verdicts[i].Err = errLost
		default:
			cl.reset()
			p.waiting = append(p.waiting, cl)
			p.out = append(p.out, cl.frame...)
		}
	}
	p.mu.Unlock()
	p.nudge()
}

// nudge makes write look at the queue.
func (p *pipe) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// yields is how often write lets other goroutines run before it writes, while several calls are in flight: their answers
// come together, and then their callers are about to call again.
const yields = 2

// probeTime is how long write waits for bytes when it probes an idle connection.
const probeTime = time.Millisecond

// write writes queued frames until the pipe fails. It also probes an idle connection from time to time, since no caller
// would notice its end.
func (p *pipe) write() {
	look := time.NewTicker(min(p.limit/3, time.Second))
	defer look.Stop()
	var spare []byte
	for shared := false; ; {
		select {
		case <-p.wake:
		case <-look.C:
			p.probe()
			continue
		case <-p.closed:
			return
		}
		if shared {
			for range yields {
				runtime.Gosched()
			}
		}
		p.mu.Lock()
		var out []byte
		if !p.writing && len(p.out) > 0 {
			out, p.out = p.out, spare[:0]
		}
		shared = len(p.waiting)-p.first > 1
		p.mu.Unlock()
		if len(out) == 0 {
			continue
		}
		if _, err := p.Write(out); err != nil {
			p.fail(err)
			return
		}
		if spare = out; cap(spare) > 1<<20 {
			spare = nil
		}
	}
}

// probe finds out whether an idle connection has ended.
func (p *pipe) probe() {
	p.mu.Lock()
	idle := p.first == len(p.waiting) && !p.reading
	p.reading = p.reading || idle
	p.mu.Unlock()
	if !idle {
		return
	}
	p.resume()
	p.limitSilence(probeTime)
	body, err := p.in.Next()
	p.limitSilence(p.limit)
	switch {
	case err == nil:
		p.give(body) // a call was submitted meanwhile
	case !errors.Is(err, os.ErrDeadlineExceeded):
		p.fail(err)
	}
	p.endReading()
}

// await waits until a call or ctx has ended. If ctx has, it returns ctx's error. Meanwhile it may read answers.
func (p *pipe) await(ctx context.Context, cl *call) error {
	for {
		p.mu.Lock()
		ended, lead := cl.ended, !cl.ended && !p.reading
		p.reading = p.reading || lead
		p.mu.Unlock()
		if ended {
			return nil
		}
		if lead {
			p.lead(ctx, cl)
			if p.endReading(); ctx.Err() == nil {
				continue
			}
		}
		select {
		case <-cl.wake:
			if ctx.Err() == nil {
				continue
			}
		case <-ctx.Done():
		}
		return p.leave(ctx, cl)
	}
}

// leave abandons a call, unless the call has ended.
func (p *pipe) leave(ctx context.Context, cl *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cl.ended {
		return nil
	}
	cl.left = true
	p.promote() // the caller that was reading may just have woken this one as the next reader
	return ctx.Err()
}

// lead reads answers until it has the call's own and no more are buffered, or until ctx ends. The caller of lead has set
// reading.
func (p *pipe) lead(ctx context.Context, cl *call) {
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, p.interrupt)
		defer stop()
	}
	for mine := false; !mine || p.in.Ready(); {
		body, err := p.in.Next()
		switch {
		case err == nil:
			mine = p.give(body) == cl || mine
		case !errors.Is(err, os.ErrDeadlineExceeded):
			p.fail(err)
			return
		case ctx.Err() == nil && p.resume(): // the context of an earlier reader ended late
		case p.isSilent():
			p.fail(fmt.Errorf("no answer for %v: %w", p.limit, errLost))
			return
		case ctx.Err() != nil:
			return
		}
	}
}

// give ends the oldest call with its answer, and returns the call. If no call waits, the answer ends the pipe, and give
// returns nil.
func (p *pipe) give(body []byte) *call {
	p.mu.Lock()
	if p.first == len(p.waiting) {
		p.mu.Unlock()
		p.fail(unasked(body))
		return nil
	}
	cl := p.waiting[p.first]
	p.waiting[p.first] = nil
	if p.first++; p.first == len(p.waiting) || p.first > 1024 && 2*p.first > len(p.waiting) {
		n := copy(p.waiting, p.waiting[p.first:])
		clear(p.waiting[n:])
		p.waiting, p.first = p.waiting[:n], 0
	}
	cl.body, cl.ended = body, true
	p.mu.Unlock()
	cl.nudge()
	return cl
}

// unasked returns the error for an answer without a request. Servers send one to tell why they close the connection.
func unasked(body []byte) error {
	if protocol.IsError(body) {
		return fmt.Errorf("the server says %v: %w", protocol.ParseError(body), errLost)
	}
	return fmt.Errorf("the server sent what no request asked for, %.200q: %w", body, errLost)
}

// endReading lets another caller read.
func (p *pipe) endReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading = false
	p.promote()
}

// promote wakes a waiting caller to read answers, unless one is reading. The caller of promote holds mu.
func (p *pipe) promote() {
	if p.reading {
		return
	}
	for _, cl := range p.waiting[p.first:] {
		if !cl.left {
			cl.nudge()
			return
		}
	}
}

// fail ends the pipe and the calls in flight. Only the first reason counts.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	first := p.err == nil
	if first {
		p.err = err
	}
	p.mu.Unlock()
	if !first {
		return
	}
	p.lost(err)
	close(p.closed)
	p.mu.Lock()
	for _, cl := range p.waiting[p.first:] {
		cl.err, cl.ended = fmt.Errorf("%w: %w", errLost, err), true
		cl.nudge()
	}
	p.waiting, p.first, p.out = nil, 0, nil
	p.mu.Unlock()
	_ = p.Close() // after that, since it may take a while over TLS; reading and writing stop
}
