package network

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A call is a request and its answer.
type call struct {
	frame []byte // the request
	body  []byte // the answer, once done has a value
	err   error  // instead of it: why there is none
	done  chan struct{}
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// release lets a call be used again that was answered.
func (cl *call) release() {
	if cap(cl.frame) > 64<<10 {
		cl.frame = nil
	}
	cl.body, cl.err = nil, nil
	calls.Put(cl)
}

// A pipe is a connection that calls go over without waiting for each other. One goroutine sends what is
// waiting, and one gives out answers, in the order of calls.
type pipe struct {
	*session
	wake chan struct{} // has room for one: there is something to send

	mu       sync.Mutex
	out      []byte  // frames that are waiting
	waiting  []*call // calls that are sent or about to be, the oldest first
	first    int     // of waiting: those before it were answered
	answered uint64
	err      error // why the pipe takes no more calls; nil: it does
	closed   chan struct{}
}

// errLost is a connection that broke off before an answer came.
var errLost = errors.New("the connection was lost")

func newPipe(s *session) *pipe {
	return &pipe{session: s, wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

// submit puts a call among those that are waiting, and reports whether the pipe takes it.
func (p *pipe) submit(cl *call) bool {
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return false
	}
	p.waiting = append(p.waiting, cl)
	p.out = append(p.out, cl.frame...)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return true
}

// yields is how often the sender lets others run before it sends what waits, after it has sent the calls of
// several goroutines: these have their answers together, and are about to call again.
const yields = 2

// send sends what is waiting, and looks whether answers still come.
func (p *pipe) send(silence time.Duration) {
	defer p.Close()
	look := time.NewTicker(silence / 3)
	defer look.Stop()
	var spare []byte
	seen, quiet := uint64(0), 0
	for shared := false; ; {
		select {
		case <-p.wake:
		case <-p.closed:
			return
		case <-look.C:
			n, pending := p.progress()
			if n != seen || !pending {
				seen, quiet = n, 0
			} else if quiet++; quiet >= 3 {
				p.fail(fmt.Errorf("no answer for %v: %w", silence, errLost))
				return
			}
			continue
		}
		if shared {
			for range yields {
				runtime.Gosched()
			}
		}
		p.mu.Lock()
		out := p.out
		if len(out) > 0 {
			p.out = spare[:0]
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

// progress returns how many calls were answered, and whether others wait.
func (p *pipe) progress() (answered uint64, pending bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered, p.first < len(p.waiting)
}

// receive gives out answers until the connection ends.
func (p *pipe) receive() {
	for {
		body, err := p.in.Next()
		if err != nil {
			p.fail(err)
			return
		}
		cl := p.next()
		if cl == nil {
			p.fail(fmt.Errorf("the server sent what nobody asked for, %.200q: %w", body, errLost))
			return
		}
		cl.body = body
		cl.done <- struct{}{}
	}
}

// next takes the oldest call that waits; nil: none does.
func (p *pipe) next() *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == len(p.waiting) {
		return nil
	}
	cl := p.waiting[p.first]
	p.waiting[p.first] = nil
	p.first++
	p.answered++
	if p.first == len(p.waiting) || p.first > 1024 && 2*p.first > len(p.waiting) {
		n := copy(p.waiting, p.waiting[p.first:])
		clear(p.waiting[n:])
		p.waiting, p.first = p.waiting[:n], 0
	}
	return cl
}

// fail ends the pipe. Calls that wait get no answer any more.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return
	}
	p.err = err
	waiting := p.waiting[p.first:]
	p.waiting, p.first, p.out = nil, 0, nil
	close(p.closed)
	p.mu.Unlock()
	_ = p.Close() // both goroutines end
	for _, cl := range waiting {
		cl.err = fmt.Errorf("%w: %w", errLost, err)
		cl.done <- struct{}{}
	}
}

func (p *pipe) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
