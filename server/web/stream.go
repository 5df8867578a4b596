// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A crowd counts the requests of one kind that are being answered.
type crowd struct {
	all int
	by  map[string]int // by the client's name
}

// limited limits the requests of a kind that are answered at once, by Options.MaxStreams and MaxStreamsEach.
func (h *Handler) limited(c *crowd, what string, handle func(x *exchange, r *http.Request, q *request) error) func(*exchange, *http.Request, *request) error {
	return func(x *exchange, r *http.Request, q *request) error {
		name := q.client.Grant.Name()
		if err := h.enter(c, what, name, q.server.Open()); err != nil {
			return err
		}
		defer h.leave(c, name)
		return handle(x, r, q)
	}
}

// streamed limits the streams and reads at once.
func (h *Handler) streamed(handle func(x *exchange, r *http.Request, q *request) error) func(*exchange, *http.Request, *request) error {
	return h.limited(&h.streams, "streams", handle)
}

// writing limits the writes at once, so that a client that does not send its bodies cannot block all connections.
func (h *Handler) writing(handle func(x *exchange, r *http.Request, q *request) error) handler {
	return h.served(h.limited(&h.writes, "writes", handle))
}

func (h *Handler) enter(c *crowd, what, name string, anybody bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case c.all >= h.opts.MaxStreams:
		return fmt.Errorf("%w: there are %d %s already: try again later", backend.ErrUnavailable, h.opts.MaxStreams, what)
	case !anybody && c.by[name] >= h.opts.MaxStreamsEach:
		return fmt.Errorf("%w: %s has %d %s already: try again later", backend.ErrUnavailable, name, h.opts.MaxStreamsEach, what)
	}
	c.all++
	c.by[name]++
	return nil
}

func (h *Handler) leave(c *crowd, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.all--
	if c.by[name]--; c.by[name] == 0 {
		delete(c.by, name)
	}
}

// Streams returns the number of open exports and event streams.
func (h *Handler) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams.all
}

// A stream is an answer that is sent in parts.
type stream struct {
	h       *Handler
	w       *exchange
	control *http.ResponseController
	out     compressor // nil: the answer is not compressed
	done    func()     // returns out for reuse
	buf     []byte
	begun   bool // something was sent
}

func (h *Handler) newStream(w *exchange, contentType string) *stream {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not buffer it
	return &stream{h: h, w: w, control: http.NewResponseController(w.ResponseWriter)}
}

// flush sends buf. It cuts off a client that does not read it in time.
func (s *stream) flush() error {
	s.begun = true
	err := s.control.SetWriteDeadline(time.Now().Add(s.h.opts.WriteTimeout))
	if err == nil {
		if s.out != nil {
			if _, err = s.out.Write(s.buf); err == nil {
				err = s.out.Flush()
			}
		} else {
			_, err = s.w.Write(s.buf)
		}
	}
	if err == nil {
		err = s.control.Flush()
	}
	if err == nil { // over HTTP/2 an expired deadline ends the answer even if nothing is being sent
		err = s.control.SetWriteDeadline(time.Time{})
	}
	if s.buf = s.buf[:0]; cap(s.buf) >= small {
		s.buf = nil
	}
	if err != nil {
		return errBegun{err}
	}
	return nil
}

// finish sends the rest of buf, and ends a compressed answer.
func (s *stream) finish() error {
	if s.out == nil {
		return s.flush()
	}
	err := s.flush()
	if err == nil {
		if err = s.control.SetWriteDeadline(time.Now().Add(s.h.opts.WriteTimeout)); err == nil {
			err = s.out.Close()
		}
		if err != nil {
			err = errBegun{err}
		}
	}
	return err
}

// cut wraps err so that the end of the answer shows the client that it is incomplete.
func (s *stream) cut(err error) error {
	if s.begun {
		return errBegun{err}
	}
	return err
}

// reason returns why a loop over the log ended with err: the cause of ctx, if ctx is done.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// streamBuffer is about the number of bytes that are sent at once.
const streamBuffer = 64 << 10
