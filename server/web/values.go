package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Values reads values by key. A program gives a Handler one over its engine. Its methods may be called concurrently.
type Values interface {
	// Get returns the fact that is a key's value as of a moment; ok is false if the key has no value then. It sees
	// every fact acknowledged before the call.
	Get(ctx context.Context, store, key string, at Moment) (f backend.Fact, ok bool, err error)
}

// A Moment says as of when to read, on both time axes. The zero Moment is now.
type Moment struct {
	Seq   uint64    // facts through this seq are visible; 0: all
	Time  time.Time // facts whose transaction time is not later are visible; zero: all
	Valid time.Time // the visible fact with the greatest valid time that is not later is the value; zero: the last visible one

	ValidNow bool // in place of Valid: what is valid when it is read
}

// value answers with the fact that is a key's value.
func (h *Handler) value(w http.ResponseWriter, r *http.Request, q *request) error {
	if q.values == nil {
		return errNothingAt(r)
	}
	store, key, _ := storeAndKey(r.URL.EscapedPath())
	if _, err := q.client.Grant.Readable([]string{store}); err != nil {
		return err
	}
	at, err := momentParameters(r)
	if err != nil {
		return err
	}
	f, ok, err := q.values.Get(r.Context(), store, key, at)
	if err != nil {
		return err
	}
	if !ok {
		return &statusError{http.StatusNotFound, fmt.Errorf("key %q in store %q has no value then", key, store)}
	}
	h.send(w, http.StatusOK, append(wire.AppendFact(nil, &f), '\n'))
	return nil
}

// storeAndKey splits a path /v1/stores/STORE/KEY. The store ends at the first slash. The key may contain slashes, escaped
// or not, and is not cleaned: "a//b" and ".." are keys like others.
func storeAndKey(path string) (store, key string, ok bool) {
	rest, found := strings.CutPrefix(path, "/v1/stores/")
	store, key, cut := strings.Cut(rest, "/")
	store, err := url.PathUnescape(store)
	key, err2 := url.PathUnescape(key)
	return store, key, found && cut && store != "" && err == nil && err2 == nil
}
