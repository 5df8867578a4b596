package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// An event is a fact, or why no more will come.
type event struct {
	fact backend.Fact
	err  error
}

// events sends the log as it grows, until the client or the server ends that.
func (h *Handler) events(w http.ResponseWriter, r *http.Request, q *request) error {
	given, err := parameters(r, "after", "store")
	if err != nil {
		return err
	}
	x := &eventStream{request: q, r: r, asked: given["store"]}
	if x.stores, err = q.client.Grant.Readable(x.asked); err != nil {
		return err
	}
	from, ok, err := seqParameter("Last-Event-ID", r.Header.Get("Last-Event-ID"))
	if err == nil && !ok {
		from, ok, err = seqParameter("after", given.Get("after"))
	}
	if err != nil {
		return err
	}
	if !ok {
		stats, err := backend.StatsOf(r.Context(), q.log)
		if err != nil {
			return err
		}
		from = stats.LastSeq
	}
	x.stream, x.last = h.newStream(w, "text/event-stream"), from
	if r.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	events := make(chan event)
	done := make(chan struct{})
	defer func() { <-done }()
	defer cancel()
	go func() {
		defer close(done)
		follow(ctx, q.log, from, events)
	}()
	x.buf = append(x.buf, "retry: 1000\n\n"...)
	if err := x.flush(); err != nil {
		return err
	}
	return x.run(events)
}

// follow gives the facts after a seq to events.
func follow(ctx context.Context, log backend.Backend, after uint64, events chan<- event) {
	for f, err := range backend.Follow(ctx, log, after) {
		select {
		case events <- event{f, err}:
		case <-ctx.Done():
			return
		}
	}
}

// An eventStream is an answer to a request for events.
type eventStream struct {
	*request
	*stream
	r      *http.Request
	asked  []string // stores that the request names; nil: all
	stores []string // stores that are sent; nil: all
	last   uint64   // the seq through which the log was read
}

func (x *eventStream) run(events <-chan event) error {
	beat := time.NewTicker(x.h.opts.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case e := <-events:
			for more := true; more; {
				if e.err != nil {
					return x.end(e.err)
				}
				x.add(&e.fact)
				if more = len(x.buf) < streamBuffer; more {
					select {
					case e = <-events:
					default:
						more = false
					}
				}
			}
			if err := x.refresh(); err != nil {
				x.buf = x.buf[:0]
				return x.end(err)
			}
		case <-beat.C:
			if err := x.refresh(); err != nil {
				return x.end(err)
			}
			x.buf = append(strconv.AppendUint(append(x.buf, "id: "...), x.last, 10), "\n\n"...)
		case <-x.server.Draining():
			return x.end(errors.Join(backend.ErrUnavailable, errors.New("the server is being shut down: connect again")))
		case <-x.r.Context().Done():
			return nil
		}
		if len(x.buf) == 0 {
			continue
		}
		if err := x.flush(); err != nil {
			return err
		}
	}
}

// refresh looks up what the client may read if the tokens were reloaded.
func (x *eventStream) refresh() (err error) {
	if !x.client.Refresh() {
		return nil
	}
	if x.client.Err != nil {
		return x.client.Err
	}
	x.stores, err = x.client.Grant.Readable(x.asked)
	return err
}

// add adds a fact's event, if the client gets it.
func (x *eventStream) add(f *backend.Fact) {
	x.last = f.Seq
	if x.stores != nil && !slices.Contains(x.stores, f.Store) {
		return
	}
	x.buf = append(strconv.AppendUint(append(x.buf, "id: "...), f.Seq, 10), "\nevent: fact\ndata: "...)
	x.buf = append(appendJSON(x.buf, f), "\n\n"...)
}

// end says why no more will come.
func (x *eventStream) end(err error) error {
	if x.r.Context().Err() != nil {
		return nil
	}
	x.h.count(err)
	text, _ := json.Marshal(map[string]string{"error_code": protocol.ErrorCode(err), "error": err.Error()}) // strings: it can't fail
	x.buf = append(append(append(x.buf, "event: error\ndata: "...), text...), "\n\n"...)
	return x.flush()
}
