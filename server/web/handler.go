// SPDX-License-Identifier: Apache-2.0

package web

import (
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

// A Handler answers HTTP requests about a server and its log, see the package's comment. Its methods may be called
// concurrently.
type Handler struct {
	opts     Options
	routes   []route
	current  atomic.Pointer[attachment]
	attached chan struct{} // closed by the first call of Attach
	once     sync.Once
	requests requestCounts
	large    budget // bodies, facts and answers
	asking   budget // questions, and small bodies

	mu      sync.Mutex
	streams crowd // also reads
	writes  crowd
	waiting int // event streams that wait for Attach
	clients map[*eventStream]Subscriber
}

// An attachment has the arguments of Attach.
type attachment struct {
	server *server.Server
	log    backend.Log
	reader query.Reader
}

// New returns a Handler of a server whose log is still being opened. Until Attach it answers all requests with 503, except
// requests for health and events.
func New(opts Options) *Handler {
	h := &Handler{opts: opts.withDefaults(), attached: make(chan struct{}), streams: crowd{by: map[string]int{}}, writes: crowd{by: map[string]int{}}, clients: map[*eventStream]Subscriber{}}
	const patience = 5 * time.Second
	h.large = budget{max: h.opts.MaxBodies, patience: patience, by: map[string]int64{}}
	h.asking = budget{max: h.opts.MaxBodies / 2, patience: patience, by: map[string]int64{}}
	h.current.Store(&attachment{})
	h.routes = h.allRoutes()
	return h
}

// Attach gives the Handler the server, its log, and a reader of the log; if reader is nil, requests that need it are answered
// with 404. All three must outlive the Handler.
func (h *Handler) Attach(s *server.Server, log backend.Log, reader query.Reader) {
	h.current.Store(&attachment{s, log, reader})
	h.once.Do(func() { close(h.attached) })
}

// now returns the arguments of Attach; they are nil before the call.
func (h *Handler) now() *attachment { return h.current.Load() }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	if h.serveUI(w, r) {
		return
	}
	path := r.URL.EscapedPath() // not cleaned: keys may contain anything
	x := &exchange{ResponseWriter: w, begun: time.Now(), large: h.large.share("", true), asking: h.asking.share("", true)}
	route, args := h.find(path)
	if route != nil {
		x.route = route.pattern
	}
	defer h.note(x, r)
	defer x.large.end()
	defer x.asking.end()
	h.allowOrigin(x, r)
	switch serve := route.method(r.Method); {
	case route == nil:
		h.fail(x, r, errNothingAt(r))
	case r.Method == http.MethodOptions:
		h.preflight(x, r, route)
	case serve == nil:
		header.Set("Allow", route.allow())
		h.fail(x, r, &statusError{http.StatusMethodNotAllowed, fmt.Errorf("%s is for %s, not %s", path, route.allow(), r.Method)})
	default:
		serve(x, r, args)
	}
}

// Handle lets next answer the requests for a path from clients that may read all stores, and from administrators. Call it
// before the first request.
func (h *Handler) Handle(path string, next http.Handler) {
	h.routes = append(h.routes, route{pattern: path, get: h.served(func(x *exchange, r *http.Request, q *request) error {
		if err := q.client.Grant.MaySeeAll("ask for " + path); err != nil {
			return err
		}
		x.deadline(h.opts.WriteTimeout)
		next.ServeHTTP(x, r)
		return nil
	})})
}

// A request is a request of an authenticated client.
type request struct {
	*attachment
	client auth.Session
	args   []string // parts of the path
}

// stores returns the stores that the client may read; nil: all.
func (q *request) stores() []string {
	stores, _ := q.client.Grant.Readable(nil) // fails only for stores asked for by name
	return stores
}

// served returns a handler that needs the log and an authenticated client.
func (h *Handler) served(handle func(x *exchange, r *http.Request, q *request) error) handler {
	return func(x *exchange, r *http.Request, args []string) {
		q := &request{attachment: h.now(), args: args}
		if q.server == nil {
			h.fail(x, r, &statusError{http.StatusServiceUnavailable, errLoading})
			return
		}
		err := h.letIn(x, r, q)
		if err == nil {
			err = handle(x, r, q)
		}
		if err != nil {
			h.fail(x, r, err)
		}
	}
}

// letIn authenticates the client.
func (h *Handler) letIn(x *exchange, r *http.Request, q *request) error {
	if err := h.checkOrigin(r, q.server.Open()); err != nil {
		return err
	}
	q.client = q.server.Authorize(auth.CredentialOf(bearer(r), r.TLS))
	if q.client.Err != nil {
		q.server.Refused(r.RemoteAddr, q.client.Err)
		return q.client.Err
	}
	x.client, x.grant = q.client.Grant.Name(), q.client.Grant
	x.large, x.asking = h.large.share(x.client, q.server.Open()), h.asking.share(x.client, q.server.Open())
	return nil
}

// read returns a handler of reads that need the query.Reader and take the given bytes of memory.
func (h *Handler) read(bytes int64, handle func(x *exchange, r *http.Request, q *request) error) handler {
	return h.served(h.streamed(func(x *exchange, r *http.Request, q *request) error {
		if q.reader == nil {
			return errNothingAt(r)
		}
		ctx, cancel := q.server.Serving(r.Context())
		defer cancel(nil)
		if err := x.asking.await(ctx, bytes); err != nil {
			return err
		}
		err := handle(x, r.WithContext(x.answering(ctx)), q)
		if err != nil && ctx.Err() != nil {
			err = reason(ctx, err)
		}
		return err
	}))
}

var errLoading = errors.Join(backend.ErrUnavailable, errors.New("the log is being opened: try again later"))

// bearer returns the bearer token of a request; "" if it has none.
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
