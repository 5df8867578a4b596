package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A Client is a backend.Backend whose log a server keeps, with all the optional interfaces. Its methods may
// be called concurrently.
type Client struct {
	opts Options
	log  *zap.Logger

	life   context.Context // of all that the client does by itself; ended by Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup // the client's goroutines; more are started while closed is false only

	dialing chan struct{} // holds something while somebody connects

	mu      sync.Mutex
	closed  bool
	pipe    *pipe // nil: not connected
	welcome protocol.HelloReply
	state   backend.Connection
	refused error   // why the latest attempt to connect again failed; nil: none did since there was a connection
	mirror  *mirror // of a log of version 1; nil: not needed yet
}

var (
	_ backend.Backend       = (*Client)(nil)
	_ backend.BatchWriter   = (*Client)(nil)
	_ backend.Follower      = (*Client)(nil)
	_ backend.StoreReplayer = (*Client)(nil)
	_ backend.Pruner        = (*Client)(nil)
	_ backend.Stater        = (*Client)(nil)
)

// Dial connects to a server. It tries once, so that a wrong address shows at once, as ErrUnavailable; a
// connection that is lost later is made again by itself. ctx is for the call. A server that asks for a token
// or certificate and does not know it is ErrUnauthenticated.
func Dial(ctx context.Context, opts Options) (*Client, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("network: dial: %w", err)
	}
	c := &Client{opts: opts, log: opts.Logger, dialing: make(chan struct{}, 1)}
	c.state = backend.Connection{Address: c.name(), Since: time.Now()}
	c.life, c.cancel = context.WithCancel(context.Background())
	s, err := c.dial(ctx)
	if err != nil {
		c.cancel()
		if !isPermanent(err) {
			err = &unavailable{server: c.name(), attempts: 1, last: err, cause: ctx.Err()}
		}
		return nil, fmt.Errorf("network: dial %s: %w", c.name(), err)
	}
	c.adopt(s)
	return c, nil
}

// name returns what the server is called in errors and in the log.
func (c *Client) name() string {
	scheme := c.opts.Transport
	if c.opts.TLS != nil {
		scheme += "+tls"
	}
	return scheme + "://" + c.opts.Address
}

// Close ends the client and its connections. Calls under way report ErrClosed; what they asked for may be
// done.
func (c *Client) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	p := c.pipe
	c.mu.Unlock()
	if closed {
		return nil
	}
	c.cancel()
	if p != nil {
		p.fail(backend.ErrClosed)
	}
	c.tasks.Wait()
	return nil
}

// adopt makes a session the connection that calls go over.
func (c *Client) adopt(s *session) *pipe {
	p := newPipe(s, 3*c.opts.Heartbeat)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = s.Close()
		p.err = backend.ErrClosed
		return p
	}
	if s.version == 1 {
		c.log.Warn("the server speaks version 1 only: no batches, conditions and pruning, and facts are numbered by their place in its log",
			zap.String("server", c.name()))
	}
	c.pipe, c.welcome, c.refused = p, s.welcome, nil
	c.state.Up, c.state.Since, c.state.Protocol, c.state.Server = true, time.Now(), s.version, s.welcome.Server
	c.state.Connects++
	c.log.Info("connected", zap.String("server", c.name()), zap.Int("protocol", s.version), zap.Uint64("last_seq", s.welcome.LastSeq))
	c.tasks.Go(func() {
		p.send()
		c.lost(p, p.failure())
	})
	return p
}

// lost notes that a connection has ended.
func (c *Client) lost(p *pipe, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pipe == p {
		c.pipe = nil
		c.state.Up, c.state.Since = false, time.Now()
	}
	if !c.closed {
		c.state.LastError = err.Error()
		c.log.Warn("the connection was lost", zap.String("server", c.name()), zap.Error(err))
	}
}

// current returns the connection that calls go over, if there is one.
func (c *Client) current() (*pipe, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, backend.ErrClosed
	}
	return c.pipe, nil
}

// connected returns the connection that calls go over, and makes one if there is none, for as long as ctx
// allows.
func (c *Client) connected(ctx context.Context) (*pipe, error) {
	if p, err := c.current(); p != nil || err != nil {
		return p, err
	}
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, &unavailable{server: c.name(), cause: ctx.Err(), last: c.refusal()}
	case <-c.life.Done():
		return nil, backend.ErrClosed
	}
	if p, err := c.current(); p != nil || err != nil {
		return p, err
	}
	var p *pipe
	err := c.retry(ctx, func() (bool, error) {
		s, err := c.dial(ctx)
		if err == nil {
			p = c.adopt(s)
		} else if ctx.Err() == nil { // an attempt that ctx has ended says less
			c.mu.Lock()
			c.refused = err
			c.mu.Unlock()
		}
		return false, err
	})
	return p, err
}

// refusal says to those who wait for another caller's attempts to connect how these went.
func (c *Client) refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused != nil {
		return c.refused
	}
	return errors.New("the attempt to connect again has not ended")
}

// retry calls try until it succeeds, for as long as ctx allows and the client is open, unless the error is
// one that would come again. try says whether it has got on before it failed.
func (c *Client) retry(ctx context.Context, try func() (progress bool, err error)) error {
	callers := ctx
	ctx, cancel := context.WithCancel(callers)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = c.opts.MinBackoff, c.opts.MaxBackoff
	failure := &unavailable{server: c.name()}
	var permanent error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		progress, err := try()
		if progress {
			wait.Reset()
			failure.attempts = 0
		}
		if err != nil {
			failure.attempts++
			if failure.last == nil || callers.Err() == nil { // an attempt that ctx has ended says less
				failure.last = err
			}
			if isPermanent(err) {
				permanent = err
			}
			if permanent != nil || ctx.Err() != nil {
				err = backoff.Permanent(err)
			} else {
				c.log.Debug("an attempt failed", zap.String("server", c.name()), zap.Int("attempt", failure.attempts), zap.Error(err))
			}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		return nil
	case permanent != nil:
		return permanent
	case c.life.Err() != nil:
		return backend.ErrClosed
	case ctx.Err() != nil:
		failure.cause = ctx.Err()
		return failure
	}
	return err
}

// An unavailable error says what was tried. It is backend.ErrUnavailable, the error of the context that
// ended it, and what went wrong last.
type unavailable struct {
	server      string
	attempts    int
	cause, last error
}

func (e *unavailable) Error() string {
	text := fmt.Sprintf("%v: %s", backend.ErrUnavailable, e.server)
	if e.attempts > 1 {
		text += fmt.Sprintf(", after %d attempts", e.attempts)
	}
	if e.last != nil {
		text += ": " + e.last.Error()
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the errors that e is.
func (e *unavailable) Unwrap() []error {
	return slices.DeleteFunc([]error{backend.ErrUnavailable, e.cause, e.last}, func(err error) bool { return err == nil })
}

// do sends a call, again if need be, and returns the answer, which says that it was done.
func (c *Client) do(ctx context.Context, cl *call) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := c.connected(ctx)
	if err == nil {
		if body, err := c.once(ctx, p, cl); !isPassing(err) {
			return body, err
		}
	}
	if err != nil {
		return nil, err
	}
	var body []byte
	err = c.retry(ctx, func() (bool, error) {
		p, err := c.connected(ctx)
		if err == nil {
			body, err = c.once(ctx, p, cl)
		}
		if err != nil && !isPassing(err) {
			err = final{err}
		}
		return false, err
	})
	return body, unwrapFinal(err)
}

// isPassing reports whether a call that failed is sent again.
func isPassing(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, backend.ErrUnavailable) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// once sends a call over a connection and waits for the answer.
func (c *Client) once(ctx context.Context, p *pipe, cl *call) ([]byte, error) {
	if len(cl.frame)-wire.FrameOverhead > p.welcome.MaxFrame {
		return nil, fmt.Errorf("%w: the server's limit is a frame of %d bytes", backend.ErrTooLarge, p.welcome.MaxFrame)
	}
	if !p.submit(cl) {
		return nil, errLost
	}
	if err := p.await(ctx, cl); err != nil {
		return nil, err
	}
	if cl.err != nil {
		if c.life.Err() != nil {
			return nil, backend.ErrClosed
		}
		return nil, cl.err
	}
	if protocol.IsError(cl.body) {
		return nil, protocol.ParseError(cl.body)
	}
	return cl.body, nil
}
