package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/igniter-store/igniter/internal/protocol"
)

// A call is a request and its answer.
type call struct {
	frame []byte        // the request
	wake  chan struct{} // has room for one: look again

	// What follows is guarded by the pipe's mu until ended is set, and then the caller's.
	ended bool   // there is an answer, or none will come
	left  bool   // the caller does not wait any more
	body  []byte // the answer
	err   error  // instead of it: why there is none
}

var calls = sync.Pool{New: func() any { return &call{wake: make(chan struct{}, 1)} }}

// release lets a call be used again that has ended.
func (cl *call) release() {
	if cap(cl.frame) > 64<<10 {
		cl.frame = nil
	}
	calls.Put(cl)
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

// A pipe is a connection that calls go over without waiting for each other. A goroutine of its own sends
// what is waiting. Answers are read by one of the callers that wait for one, who gives the others theirs:
// so a lone caller waits for the server and for nobody else.
type pipe struct {
	*session
	limit time.Duration // how long the server may say nothing while calls wait
	wake  chan struct{} // has room for one: there is something to send

	mu      sync.Mutex
	out     []byte  // frames that are waiting
	writing bool    // a caller sends its frame by itself
	reading bool    // somebody reads answers
	waiting []*call // calls that are sent or about to be, the oldest first
	first   int     // of waiting: those before it have ended
	err     error   // why the pipe takes no more calls; nil: it does
	closed  chan struct{}
}

// errLost is a connection that broke off before an answer came.
var errLost = errors.New("the connection was lost")

func newPipe(s *session, silence time.Duration) *pipe {
	s.within(silence)
	return &pipe{session: s, limit: silence, wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

// loneSize is how long a frame is at most that its caller sends by itself: a socket has room for it.
const loneSize = 8 << 10

// submit sends a call, or puts it among those that are waiting to be sent, and reports whether the pipe takes
// it. A caller who is alone sends by itself, which saves the way to another goroutine: the server has taken all
// that was sent before, so that this does not wait for anybody.
func (p *pipe) submit(cl *call) bool {
	cl.reset()
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return false
	}
	if p.first == len(p.waiting) {
		p.showed() // so far there was nothing to answer
	}
	alone := p.first == len(p.waiting) && !p.writing && len(p.out) == 0 && len(cl.frame) <= loneSize
	p.waiting = append(p.waiting, cl)
	if !alone {
		p.out = append(p.out, cl.frame...)
		p.mu.Unlock()
		p.nudge()
		return true
	}
	p.writing = true
	p.mu.Unlock()
	_, err := p.Write(cl.frame)
	if err != nil {
		p.fail(err) // and the call with it
		return true
	}
	p.mu.Lock()
	p.writing = false
	more := len(p.out) > 0
	p.mu.Unlock()
	if more {
		p.nudge()
	}
	return true
}

// nudge tells the sender that there is something to send.
func (p *pipe) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// yields is how often the sender lets others run before it sends what waits, after it has sent the calls of
// several goroutines: these have their answers together, and are about to call again.
const yields = 2

// probeTime is how long a look at an idle connection takes.
const probeTime = time.Millisecond

// send sends what is waiting until the pipe ends. Now and then it looks whether an idle connection is still
// there.
func (p *pipe) send() {
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

// probe looks whether an idle connection has ended.
func (p *pipe) probe() {
	p.mu.Lock()
	idle := p.first == len(p.waiting) && !p.reading
	p.reading = p.reading || idle
	p.mu.Unlock()
	if !idle {
		return
	}
	p.resume()
	p.within(probeTime)
	body, err := p.in.Next()
	p.within(p.limit)
	switch {
	case err == nil:
		p.give(body) // to who has called meanwhile
	case !errors.Is(err, os.ErrDeadlineExceeded):
		p.fail(err)
	}
	p.endReading()
}

// await waits until a call has ended, or ctx has, which it reports.
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
			p.read(ctx, cl)
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

// leave gives up waiting for a call, unless it has ended.
func (p *pipe) leave(ctx context.Context, cl *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cl.ended {
		return nil
	}
	cl.left = true
	p.promote() // whoever read may have stopped just now, and have nudged this one
	return ctx.Err()
}

// read gives out answers until there is one to a call and no further ones have come with it, or until ctx
// ends. The caller has set reading.
func (p *pipe) read(ctx context.Context, cl *call) {
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
		case ctx.Err() == nil && p.resume(): // somebody else's context has ended
		case p.isLost():
			p.fail(fmt.Errorf("no answer for %v: %w", p.limit, errLost))
			return
		case ctx.Err() != nil:
			return
		}
	}
}

// give gives the oldest call that waits its answer, and returns it.
func (p *pipe) give(body []byte) *call {
	p.mu.Lock()
	if p.first == len(p.waiting) {
		p.mu.Unlock()
		if protocol.IsError(body) { // before it hangs up, it says why
			p.fail(fmt.Errorf("the server says %v: %w", protocol.ParseError(body), errLost))
		} else {
			p.fail(fmt.Errorf("the server sent what nobody asked for, %.200q: %w", body, errLost))
		}
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

// endReading lets another caller read.
func (p *pipe) endReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading = false
	p.promote()
}

// promote makes a caller who waits look whether to read, if nobody does. The caller holds mu.
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

// fail ends the pipe. Calls that wait get no answer any more.
func (p *pipe) fail(err error) {
	if p.end(err) {
		_ = p.Close() // whoever reads or writes stops; over TLS that may take a while, and nobody waits for it
	}
}

// end tells the calls that wait that no answer will come, and reports whether they did not know yet.
func (p *pipe) end(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return false
	}
	p.err = err
	close(p.closed)
	for _, cl := range p.waiting[p.first:] {
		cl.err, cl.ended = fmt.Errorf("%w: %w", errLost, err), true
		cl.nudge()
	}
	p.waiting, p.first, p.out = nil, 0, nil
	return true
}

// failure returns why the pipe takes no more calls.
func (p *pipe) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
