// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// streamed limits how many streams and reads there are at once.
func (h *Handler) streamed(handle func(x *exchange, r *http.Request, q *request) error) func(*exchange, *http.Request, *request) error {
	return func(x *exchange, r *http.Request, q *request) error {
		name := q.client.Grant.Name()
		if err := h.openStream(name, q.server.Open()); err != nil {
			return err
		}
		defer h.closeStream(name)
		return handle(x, r, q)
	}
}

// openStream counts a stream of a client.
func (h *Handler) openStream(name string, anybody bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.open >= h.opts.MaxStreams:
		return fmt.Errorf("%w: there are %d streams already: try again later", backend.ErrUnavailable, h.opts.MaxStreams)
	case !anybody && h.streams[name] >= h.opts.MaxStreamsEach:
		return fmt.Errorf("%w: %s has %d streams already: try again later", backend.ErrUnavailable, name, h.opts.MaxStreamsEach)
	}
	h.open++
	h.streams[name]++
	return nil
}

func (h *Handler) closeStream(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open--
	if h.streams[name]--; h.streams[name] == 0 {
		delete(h.streams, name)
	}
}

// Streams returns how many exports and event streams are open.
func (h *Handler) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// A stream is an answer that is sent piece by piece.
type stream struct {
	h       *Handler
	w       *exchange
	control *http.ResponseController
	out     compressor // nil: the answer is not compressed
	done    func()     // gives out back
	buf     []byte
	begun   bool // something was sent
}

func (h *Handler) newStream(w *exchange, contentType string) *stream {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold it back
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
	if err == nil { // over HTTP/2 an expired deadline ends the answer even while nothing is sent
		err = s.control.SetWriteDeadline(time.Time{})
	}
	s.buf = s.buf[:0]
	if err != nil {
		return errBegun{err}
	}
	return nil
}

// finish sends what is left, and ends a compressed answer.
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

// cut returns err in a form that ends the answer so that the client sees that it is not whole.
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

// streamBuffer is about how many bytes are sent at once.
const streamBuffer = 64 << 10
