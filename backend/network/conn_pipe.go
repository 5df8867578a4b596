package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A call is a request and its answer.
type call struct {
	frame []byte        // the request
	ended chan struct{} // gets a value once body or err is set; has room for it
	next  *call         // the call behind it in the pipe's queue

	body []byte // the answer
	err  error  // why there is no answer
}

// newCall returns a call for a caller to submit. It may have the frame of an earlier call, to be overwritten.
func (c *Client) newCall() *call {
	if cl, ok := c.calls.Get().(*call); ok {
		return cl
	}
	return &call{ended: make(chan struct{}, 1)}
}

// freeCall lets a call that has ended be used again. The calls of callers who gave up are not: their answers may
// still come.
func (c *Client) freeCall(cl *call) {
	if cl.body, cl.err = nil, nil; cap(cl.frame) > 64<<10 {
		cl.frame = nil
	}
	c.calls.Put(cl)
}

// A pipe is a connection for any number of calls at a time. A goroutine writes requests, as many as are there
// with one write; another one reads answers, which come in the order of requests. A caller that is alone writes
// its request itself.
//
// The alternative is that the callers that wait read answers for each other, which saves a switch of goroutines in a
// lone call. It needs a third more code: callers must hand the reading on when they leave, and an idle connection must be
// probed, since no goroutine reads. Measured with the server in another process (BenchmarkRoundTrip, BenchmarkPipe):
//
//	                          this pipe    callers read
//	lone call, Unix socket       … µs          … µs
//	lone call, TCP               … µs          … µs
//	64 callers, TCP              … /s          … /s
//	256 callers, TCP             … /s          … /s
type pipe struct {
	*session
	lost func(error) // is called once, with the reason, before the calls under way learn of it

	writing sync.Mutex // is held while requests are written; locked before or, if it is free, with mu

	mu          sync.Mutex
	queued      sync.Cond // on mu: out or err has changed
	out         []byte    // frames to be written
	first, last *call     // the queue: calls without an answer, the oldest first
	err         error     // why the pipe takes no more calls; nil: it does
}

// errLost is a connection that broke off before the answer came.
var errLost = errors.New("the connection was lost")

// newPipe returns a pipe that uses s. Calls without an answer are lost when the server is silent for so long.
// The caller starts write and read.
func newPipe(s *session, silence time.Duration, lost func(error)) *pipe {
	s.limitSilence(silence)
	p := &pipe{session: s, lost: lost}
	p.queued.L = &p.mu
	return p
}

// loneSize is up to which size a caller writes its own frame: a socket has room for it.
const loneSize = 8 << 10

// submit sends a call or queues it to be sent; after an error it has done neither. A caller who is alone sends its
// call itself, which saves a switch of goroutines. That does not block: the server has answered, and so read,
// all that was sent before.
func (p *pipe) submit(cl *call) error {
	if limit := p.hello.MaxFrame; len(cl.frame)-wire.FrameOverhead > limit {
		return sequencer.TooLarge(limit)
	}
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return errLost
	}
	cl.body, cl.err = nil, nil
	alone := p.first == nil && len(cl.frame) <= loneSize && p.writing.TryLock()
	if p.first == nil {
		p.touch() // the server was owed no answer before
		p.first = cl
	} else {
		p.last.next = cl
	}
	p.last = cl
	if !alone {
		p.out = append(p.out, cl.frame...)
		p.mu.Unlock()
		p.queued.Signal()
		return nil
	}
	p.mu.Unlock()
	_, err := p.Write(cl.frame)
	p.writing.Unlock()
	if err != nil {
		p.fail(err) // and the call with it
	}
	return nil
}

// await waits until a call has ended, or until ctx has, which is the error.
func (p *pipe) await(ctx context.Context, cl *call) error {
	select {
	case <-cl.ended:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-cl.ended:
		return nil
	default:
		return ctx.Err()
	}
}

// yields is how often write lets other goroutines run before it writes, while several calls are under way:
// their answers come together, and then their callers are about to call again.
const yields = 2

// write writes what is queued, until the pipe fails.
func (p *pipe) write() {
	var spare []byte
	for {
		p.mu.Lock()
		for len(p.out) == 0 && p.err == nil {
			p.queued.Wait()
		}
		several, failed := p.first != p.last, p.err != nil
		p.mu.Unlock()
		if failed {
			return
		}
		for i := 0; several && i < yields; i++ {
			runtime.Gosched()
		}
		p.writing.Lock()
		p.mu.Lock()
		out := p.out
		p.out = spare[:0]
		p.mu.Unlock()
		_, err := p.Write(out)
		p.writing.Unlock()
		if err != nil {
			p.fail(err)
			return
		}
		if spare = out; cap(spare) > 1<<20 {
			spare = nil
		}
	}
}

// read reads answers until the pipe fails.
func (p *pipe) read() {
	for {
		body, err := p.in.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if !p.isOverdue() {
				continue
			}
			err = fmt.Errorf("no answer for %v: %w", p.silence, errLost)
		}
		if err != nil {
			p.fail(err)
			return
		}
		cl := p.pop()
		if cl == nil {
			p.fail(unasked(body))
			return
		}
		cl.body = body
		cl.ended <- struct{}{}
	}
}

// isOverdue reports whether calls have waited too long for an answer.
func (p *pipe) isOverdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		p.touch()
	}
	return p.isSilent()
}

// pop takes the oldest call out of the queue; nil if there is none.
func (p *pipe) pop() *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	cl := p.first
	if cl != nil {
		p.first, cl.next = cl.next, nil
	}
	return cl
}

// unasked returns the error for an answer to no request. It is how servers say why they hang up.
func unasked(body []byte) error {
	if protocol.IsError(body) {
		return fmt.Errorf("the server says %v: %w", protocol.ParseError(body), errLost)
	}
	return fmt.Errorf("the server sent what no request asked for, %.200q: %w", body, errLost)
}

// fail ends the pipe: the calls in the queue fail, and write and read return. Only the first reason counts.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return
	}
	p.err = err
	cl := p.first
	p.first, p.out = nil, nil
	p.mu.Unlock()
	p.queued.Signal()
	p.lost(err)
	for cl != nil {
		next := cl.next
		cl.next, cl.err = nil, fmt.Errorf("%w: %w", errLost, err)
		cl.ended <- struct{}{}
		cl = next
	}
	_ = p.Close() // after that, since it may take a while over TLS
}
