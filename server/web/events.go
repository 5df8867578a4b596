package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/auth"
)

// events sends a part of the log and what comes to it, until the client or the server ends that.
func (h *Handler) events(w http.ResponseWriter, r *http.Request, q *request) error {
	given, err := parameters(r, "after", "store")
	if err != nil {
		return err
	}
	from := r.Header.Get("Last-Event-ID")
	name := "Last-Event-ID"
	if from == "" {
		from, name = given.Get("after"), "after"
	}
	x := &eventStream{log: q.log}
	if x.through, err = cursorParameter(name, from); err != nil {
		return err
	}
	if x.reading, err = q.client.Read(given["store"]); err != nil {
		return err
	}
	if from == "" {
		stats, err := q.log.Stats(r.Context())
		if err != nil {
			return err
		}
		x.through = backend.Cursor{Log: stats.Log, Seq: stats.LastSeq}
	}
	x.stream = h.newStream(w, "text/event-stream")
	if r.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := q.server.Serving(r.Context())
	defer cancel(nil)
	x.cancel = cancel
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

	mu      sync.Mutex // held to send, and to look at the client's access; guards all below
	reading auth.Reading
	changed error // why the client's access ended the stream; nil: it did not
	*stream
	through backend.Cursor // the log was read through here
	beats   *time.Timer    // calls beat; nil: nothing was sent yet
	ended   bool
}

// send sends page after page, and returns why it stopped.
func (x *eventStream) send(ctx context.Context) error {
	for page, err := range x.log.Follow(ctx, backend.Range{After: x.through, Stores: x.reading.Stores}) {
		if err == nil {
			err = x.push(page)
		}
		if err != nil {
			return reason(ctx, err)
		}
	}
	return nil
}

// push sends a page.
func (x *eventStream) push(page backend.Page) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.refresh(); err != nil {
		return err
	}
	gone := page.Whole(x.through.Seq)
	if gone != nil && (x.beats != nil || x.through.Seq > 0) { // a client that begins at the log's beginning takes what is left
		return gone
	}
	if x.beats == nil {
		// The id comes first of all: a client whose connection breaks before the first fact must not begin anew at the end.
		x.buf = append(x.buf, "retry: 1000\n\n"...)
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
		x.appendID(backend.Cursor{Log: page.Through.Log, Seq: f.Seq})
		x.buf = append(appendJSON(append(x.buf, "event: fact\ndata: "...), f), "\n\n"...)
		if len(x.buf) < streamBuffer {
			continue
		}
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.through = page.Through
	if len(x.buf) == 0 {
		return nil
	}
	return x.flush()
}

// refresh returns an error from when the client's access has changed on: no page may follow one that was held back.
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

// end tells the client why no more events come. A stream that has not begun fails as other requests do.
func (x *eventStream) end(r *http.Request, err error) error {
	_, broken := errors.AsType[errBegun](err)
	switch {
	case r.Context().Err() != nil, err == nil:
		return nil
	case broken, x.beats == nil:
		return err
	}
	x.h.count(err)
	text, _ := json.Marshal(failureOf(err)) // strings and numbers: it can't fail
	x.buf = append(append(append(x.buf[:0], "event: error\ndata: "...), text...), "\n\n"...)
	return x.flush()
}
