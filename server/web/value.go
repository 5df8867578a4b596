package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// value answers with the fact that is a key's value.
func (h *Handler) value(w http.ResponseWriter, r *http.Request, q *request) error {
	name, key, _ := storeAndKey(r.URL.EscapedPath())
	if _, err := q.grant.Readable(name); err != nil {
		return err
	}
	at, err := moment(r)
	if err != nil {
		return err
	}
	e, err := h.reads.engine(r.Context(), q.log, name)
	if err != nil {
		return err
	}
	found, ok := e.GetAt(name, key, at)
	if !ok {
		return &statusError{http.StatusNotFound, fmt.Errorf("key %q in store %q has no value then", key, name)}
	}
	f := found.Fact()
	h.send(w, http.StatusOK, append(wire.AppendFact(nil, &f), '\n'))
	return nil
}

// storeAndKey returns what a path /v1/stores/STORE/KEY names. The store ends with the first slash; the key may have more,
// escaped or not, and is taken as it is: "a//b" and ".." are keys like others.
func storeAndKey(path string) (name, key string, ok bool) {
	rest, found := strings.CutPrefix(path, "/v1/stores/")
	name, key, cut := strings.Cut(rest, "/")
	name, err := url.PathUnescape(name)
	key, err2 := url.PathUnescape(key)
	return name, key, found && cut && name != "" && err == nil && err2 == nil
}

// moment reads as of when a request asks.
func moment(r *http.Request) (at store.Moment, err error) {
	asked, err := parameters(r, "as_of", "at_seq", "valid_at")
	if err != nil {
		return at, err
	}
	seq, given, err := seqParameter("at_seq", asked.Get("at_seq"))
	if err == nil && given && seq == 0 {
		err = &backend.InvalidError{Field: "at_seq", Reason: "0: seqs begin at 1"}
	}
	if err != nil {
		return at, err
	}
	at.Seq = seq
	if at.Time, err = instant("as_of", asked.Get("as_of")); err != nil {
		return at, err
	}
	at.Valid, err = instant("valid_at", asked.Get("valid_at"))
	return at, err
}

func instant(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && !t.IsZero() { // the zero time would be no time
			return t, nil
		}
	}
	if t, err := wire.ParseTime([]byte(text)); err == nil && !t.IsZero() {
		return t, nil
	}
	return time.Time{}, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%q is no time such as 2026-11-24T10:00:00Z, 2026-11-24, or seconds since 1970", text)}
}

// reads is the facts in memory that requests for keys are answered from: those of the stores that were asked for.
type reads struct {
	life context.Context // of the engine; ended by close
	end  context.CancelFunc

	mu      sync.Mutex
	opening chan struct{} // closed when opening has ended; nil: nobody has begun it
	opened  *store.Engine // nil: opening has failed, or has not ended
	err     error
	closed  bool
	settled uint64 // what the log has through this seq is shown, or was pruned
}

// freshness is how long a request waits for what was acknowledged before it.
const freshness = 5 * time.Second

// engine returns the engine with the facts of a store, as fresh as the log is. The first to ask opens it, and the first to
// ask for a store has it loaded.
func (x *reads) engine(ctx context.Context, log backend.Backend, name string) (*store.Engine, error) {
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return nil, backend.ErrClosed
	}
	if x.opened != nil && x.opened.Err() != nil { // it follows the log no longer
		_ = x.opened.Close()
		x.opening, x.opened = nil, nil
	}
	if x.opening == nil {
		x.opening = make(chan struct{})
		go x.open(log, x.opening)
	}
	opening := x.opening
	x.mu.Unlock()
	select {
	case <-opening:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	x.mu.Lock()
	e, err, settled := x.opened, x.err, x.settled
	x.mu.Unlock()
	if e == nil {
		return nil, err
	}
	if err := e.Load(ctx, name); err != nil {
		return nil, err
	}
	stats, err := backend.StatsOf(ctx, log)
	if err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			return e, nil
		}
		return nil, err
	}
	if stats.LastSeq <= settled {
		return e, nil
	}
	within, cancel := context.WithTimeout(ctx, freshness)
	defer cancel()
	// What is not shown by then was pruned before the engine saw it.
	if err := e.WaitFor(within, stats.LastSeq); err != nil && ctx.Err() != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.opened == e {
		x.settled = max(x.settled, stats.LastSeq)
	}
	return e, nil
}

// open opens the engine.
func (x *reads) open(log backend.Backend, done chan struct{}) {
	stats, _ := backend.StatsOf(x.life, log) // where it does not say, there is nothing to wait for either
	e, err := store.Open(x.life, log, store.Options{Stores: []string{}})
	x.mu.Lock()
	defer x.mu.Unlock()
	x.opened, x.err, x.settled = e, err, stats.LastSeq
	if err != nil {
		x.opening = nil // the next one tries again
	}
	close(done)
}

func (x *reads) close() error {
	x.mu.Lock()
	x.closed = true
	opening := x.opening
	x.mu.Unlock()
	x.end()
	if opening != nil {
		<-opening
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.opened == nil {
		return nil
	}
	return x.opened.Close()
}
