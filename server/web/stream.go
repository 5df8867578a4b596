package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// streamed limits how many streams are open at once.
func (h *Handler) streamed(handle func(w http.ResponseWriter, r *http.Request, q *request) error) func(http.ResponseWriter, *http.Request, *request) error {
	return func(w http.ResponseWriter, r *http.Request, q *request) error {
		name := q.client.Grant.Name()
		if err := h.openStream(name, q.server.Open()); err != nil {
			return err
		}
		defer h.closeStream(name)
		return handle(w, r, q)
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

// appendJSON appends a fact in the form of logs, on one line.
func appendJSON(dst []byte, f *backend.Fact) []byte {
	start := len(dst)
	dst = wire.AppendFact(dst, f)
	if !bytes.ContainsAny(dst[start:], "\r\n") {
		return dst
	}
	var line bytes.Buffer // there is white space in a value
	if json.Compact(&line, dst[start:]) == nil {
		dst = append(dst[:start], line.Bytes()...)
	}
	return dst
}

// A stream is an answer that is sent piece by piece.
type stream struct {
	h       *Handler
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
	begun   bool // something was sent
}

func (h *Handler) newStream(w http.ResponseWriter, contentType string) *stream {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold it back
	return &stream{h: h, w: w, control: http.NewResponseController(w)}
}

// flush sends buf. It cuts off a client that does not read it in time.
func (s *stream) flush() error {
	s.begun = true
	err := s.control.SetWriteDeadline(time.Now().Add(s.h.opts.WriteTimeout))
	if err == nil {
		_, err = s.w.Write(s.buf)
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
