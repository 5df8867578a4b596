package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// streamed makes a handler of one that may go on for long: only so many do at once.
func (h *Handler) streamed(handle func(w http.ResponseWriter, r *http.Request, q *request) error) func(http.ResponseWriter, *http.Request, *request) error {
	return func(w http.ResponseWriter, r *http.Request, q *request) error {
		select {
		case h.streams <- struct{}{}:
			defer func() { <-h.streams }()
		default:
			return fmt.Errorf("%w: there are %d streams already: try again later", backend.ErrUnavailable, h.opts.MaxStreams)
		}
		return handle(w, r, q)
	}
}

// Streams returns how many exports and event streams are under way.
func (h *Handler) Streams() int { return len(h.streams) }

// parameters returns those of a request. One that its path does not know, that is there twice though one is wanted, or that
// can't be read is an error: the answer would be one to another question.
func parameters(r *http.Request, known ...string) (url.Values, error) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &backend.InvalidError{Field: "query", Reason: err.Error()}
	}
	for name, values := range given {
		switch {
		case !slices.Contains(known, name):
			return nil, &backend.InvalidError{Field: "query", Reason: fmt.Sprintf("there is no parameter %q here: there is %s", name, strings.Join(known, ", "))}
		case len(values) > 1 && name != "store":
			return nil, &backend.InvalidError{Field: name, Reason: "given more than once"}
		}
	}
	return given, nil
}

// limitParameter reads how many facts are wanted; 0: all.
func limitParameter(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, &backend.InvalidError{Field: "limit", Reason: fmt.Sprintf("%q is no number of facts", text)}
	}
	return n, nil
}

// seqParameter reads a seq that a request gives; ok is false if it gives none.
func seqParameter(name, text string) (seq uint64, ok bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	if seq, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, false, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%q is no seq", text)}
	}
	return seq, true, nil
}

// appendJSON appends a fact in the form of logs, as one line.
func appendJSON(dst []byte, f *backend.Fact) []byte {
	start := len(dst)
	dst = wire.AppendFact(dst, f)
	if !bytes.ContainsAny(dst[start:], "\r\n") {
		return dst
	}
	var line bytes.Buffer // white space in a value
	if json.Compact(&line, dst[start:]) == nil {
		dst = append(dst[:start], line.Bytes()...)
	}
	return dst
}

// A stream is an answer that is sent bit by bit.
type stream struct {
	h       *Handler
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
	begun   bool // something was sent
}

func (h *Handler) newStream(w http.ResponseWriter, contentType string) *stream {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Accel-Buffering", "no") // proxies are not to hold it back
	return &stream{h: h, w: w, control: http.NewResponseController(w)}
}

// flush sends what is in buf. A client that does not take it in time is cut off.
func (s *stream) flush() error {
	s.begun = true
	err := s.control.SetWriteDeadline(time.Now().Add(s.h.opts.WriteTimeout))
	if err == nil {
		_, err = s.w.Write(s.buf)
	}
	if err == nil {
		err = s.control.Flush()
	}
	if err == nil { // over HTTP/2 a deadline that passes while nothing is sent ends the answer too
		err = s.control.SetWriteDeadline(time.Time{})
	}
	s.buf = s.buf[:0]
	if err != nil {
		return errBegun{err}
	}
	return nil
}

// cut returns an error that ends the answer, so that the client sees that it is not whole.
func (s *stream) cut(err error) error {
	if s.begun {
		return errBegun{err}
	}
	return err
}

// streamBuffer is how many bytes are sent at once, about.
const streamBuffer = 64 << 10
