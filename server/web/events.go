// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// events sends a part of the log, and new facts, until the client or the server ends the stream. While the log is being
// opened, it lets the client wait, since a browser does not try again after an answer of 503.
func (h *Handler) events(x *exchange, r *http.Request, args []string) {
	if h.now().server == nil && r.Method == http.MethodGet {
		s := h.newStream(x, "text/event-stream")
		if err := h.wait(r, s); err != nil {
			h.fail(x, r, err)
			return
		}
		q := &request{attachment: h.now(), args: args}
		err := h.letIn(x, r, q)
		if err == nil {
			err = h.streamed(func(x *exchange, r *http.Request, q *request) error { return h.follow(r, q, s) })(x, r, q)
		}
		if _, broken := errors.AsType[errBegun](err); err != nil && !broken { // the answer has begun
			h.count(err)
			err = s.tell(err)
		}
		if err != nil {
			h.fail(x, r, err)
		}
		return
	}
	h.served(func(x *exchange, r *http.Request, q *request) error {
		s := h.newStream(x, "text/event-stream")
		err := h.streamed(func(x *exchange, r *http.Request, q *request) error { return h.follow(r, q, s) })(x, r, q)
		if statusOf(err) == http.StatusServiceUnavailable && !s.begun && isEventSource(r) {
			s.buf = append(s.buf[:0], "retry: 3000\n\n"...)
			return s.tell(err)
		}
		return err
	})(x, r, args)
}

// isEventSource reports whether the request comes from a browser's EventSource, which never tries again after a status
// other than 200.
func isEventSource(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// wait begins the stream of a client that is not authenticated yet, and waits for Attach.
func (h *Handler) wait(r *http.Request, s *stream) error {
	h.mu.Lock()
	full := h.waiting >= h.opts.MaxStreams/2
	if !full {
		h.waiting++
	}
	h.mu.Unlock()
	if full {
		return &statusError{http.StatusServiceUnavailable, errLoading}
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.waiting--
	}()
	s.buf = append(s.buf, "retry: 1000\n"...)
	if id := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")); id != "" {
		if c, err := backend.ParseCursor(id); err == nil {
			s.buf = append(append(append(s.buf, "id: "...), c.String()...), '\n')
		}
	}
	s.buf = append(s.buf, "\n"...)
	for {
		p := h.opts.Progress()
		s.buf = fmt.Appendf(s.buf, ": the log is being opened, %d of %d bytes\n\n", p.Done, p.Total)
		if err := s.flush(); err != nil {
			return err
		}
		select {
		case <-h.attached:
			return nil
		case <-r.Context().Done():
			return errBegun{r.Context().Err()}
		case <-time.After(h.opts.Heartbeat):
		}
	}
}

// follow sends the events to an authenticated client.
func (h *Handler) follow(r *http.Request, q *request, s *stream) error {
	p := given(r, "after", "store", "key", "prefix", "producer", "where", "changes")
	from := r.Header.Get("Last-Event-ID")
	name := "Last-Event-ID"
	if from == "" {
		if from, name = p.Get("after"), "after"; p.Has("after") && from == "" {
			p.wrong("after", "given, and empty: 0 is the log's beginning, and without it the stream begins with what comes from now on")
		}
	}
	filter := p.filter()
	x := &eventStream{log: q.log, through: p.cursor(name, from), wants: filter.Matcher(), stream: s, waited: s.begun}
	changes := p.flag("changes")
	if p.err != nil {
		return p.err
	}
	if changes && q.reader != nil {
		x.reader = q.reader
	}
	var err error
	if x.reading, err = q.client.Read(filter.Stores); err != nil {
		return err
	}
	if from == "" {
		stats, err := q.log.Stats(r.Context())
		if err != nil {
			return err
		}
		x.through = backend.Cursor{Log: stats.Log, Seq: stats.LastSeq}
	}
	x.sent.Store(x.through.Seq)
	if r.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := q.server.Serving(r.Context())
	defer cancel(nil)
	x.cancel = cancel
	h.subscribe(x, r, &q.client)
	defer h.unsubscribe(x)
	err = x.send(ctx)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.beats != nil {
		x.beats.Stop()
	}
	x.ended = true
	return x.end(r, err)
}

// An eventStream is the answer to a request for events.
type eventStream struct {
	log    backend.Log
	cancel context.CancelCauseFunc // ends the stream, with why
	wants  func(f *backend.Fact) bool
	reader query.Reader // tells what facts changed; nil: not requested
	waited bool         // whether it waited for the log to be opened
	sent   atomic.Uint64

	mu      sync.Mutex // held to send, and to check the client's access; guards the fields below it
	reading auth.Reading
	changed error // why the client's access ended the stream; nil: it did not
	*stream
	through backend.Cursor // the log was read through here
	beats   *time.Timer    // calls beat; nil: nothing was sent yet
	ended   bool
}

// send sends pages until an error, which it returns.
func (x *eventStream) send(ctx context.Context) error {
	for page, err := range x.log.Follow(x.w.sending(ctx), backend.Range{After: x.through, Stores: x.reading.Stores}) {
		if err == nil {
			err = x.push(ctx, page)
		}
		if err != nil {
			return reason(ctx, err)
		}
	}
	return nil
}

// push sends a page.
func (x *eventStream) push(ctx context.Context, page backend.Page) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	err := x.refresh()
	if err != nil {
		return err
	}
	gone := page.Whole(x.through.Seq)
	if gone != nil && (x.beats != nil || x.through.Seq > 0) { // a client that begins at the log's beginning gets the remaining facts
		return gone
	}
	if x.beats == nil {
		// The id comes first: a client whose connection breaks before the first fact must not start over at the log's end.
		if !x.waited {
			x.buf = append(x.buf, "retry: 1000\n"...)
		}
		x.appendID(backend.Cursor{Log: page.Through.Log, Seq: x.through.Seq})
		x.buf = append(x.buf, '\n')
		if gone != nil {
			text, _ := json.Marshal(failureOf(gone)) // strings and a time: it can't fail
			x.buf = append(append(append(x.buf, "event: compacted\ndata: "...), text...), "\n\n"...)
		}
		x.beats = time.AfterFunc(x.h.opts.Heartbeat, x.beat)
	}
	for i := range page.Facts {
		f := &page.Facts[i]
		if !x.wants(f) {
			continue
		}
		x.appendID(backend.Cursor{Log: page.Through.Log, Seq: f.Seq})
		x.buf = append(x.appendFact(ctx, append(x.buf, "event: fact\ndata: "...), f), "\n\n"...)
		if len(x.buf) < streamBuffer {
			continue
		}
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.through = page.Through
	x.sent.Store(page.Through.Seq)
	if len(x.buf) == 0 {
		return nil
	}
	return x.flush()
}

// appendFact appends a fact, with its changes if they were requested and are known.
func (x *eventStream) appendFact(ctx context.Context, dst []byte, f *backend.Fact) []byte {
	if x.reader != nil {
		if v, ok := x.reader.Change(ctx, f); ok {
			return v.Append(dst)
		}
	}
	return query.AppendFact(dst, f)
}

// refresh returns an error once the client's access has changed, and at each later call, so that no page follows one that
// was held back.
func (x *eventStream) refresh() error {
	if x.changed == nil {
		x.changed = x.reading.Refresh()
	}
	return x.changed
}

// beat sends an id alone, which shows that the stream is alive and moves the client's cursor.
func (x *eventStream) beat() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	err := x.refresh()
	if err == nil {
		x.appendID(x.through)
		x.buf = append(x.buf, '\n')
		err = x.flush()
	}
	if err != nil {
		x.cancel(err)
		return
	}
	x.beats.Reset(x.h.opts.Heartbeat)
}

func (x *eventStream) appendID(c backend.Cursor) {
	x.buf = append(append(append(x.buf, "id: "...), c.String()...), '\n')
}

// end tells the client why the stream ends. If the stream has not begun, the request fails like any other.
func (x *eventStream) end(r *http.Request, err error) error {
	_, broken := errors.AsType[errBegun](err)
	switch {
	case r.Context().Err() != nil, err == nil:
		return nil
	case broken, x.beats == nil:
		return err
	}
	x.h.count(err)
	x.buf = x.buf[:0]
	return x.tell(err)
}

// tell ends a stream of events that has begun, with an error event. The event is not named error, since browsers use that
// name for lost connections.
func (s *stream) tell(err error) error {
	text, _ := json.Marshal(s.w.failureOf(err)) // strings and numbers: it can't fail
	s.buf = append(append(append(s.buf, "event: igniter-error\ndata: "...), text...), "\n\n"...)
	return s.flush()
}

// subscribe adds the client to the subscribers.
func (h *Handler) subscribe(x *eventStream, r *http.Request, client *auth.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[x] = Subscriber{Subscription: server.Subscription{Token: client.Grant.Name(), Peer: r.RemoteAddr, Stores: x.reading.Stores, Since: time.Now()}, Kind: "http"}
}

func (h *Handler) unsubscribe(x *eventStream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, x)
}
