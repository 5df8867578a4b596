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
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// A Handler answers HTTP requests about a server and its log, see the package's comment. Its methods may be called
// concurrently.
type Handler struct {
	opts    Options
	routes  map[string]http.HandlerFunc // by path
	current atomic.Pointer[attachment]

	mu      sync.Mutex
	streams map[string]int // open ones, by the client's name
	open    int            // streams of all clients
}

// An attachment is what Attach was given.
type attachment struct {
	server *server.Server
	log    backend.Log
	values Values
}

// New returns a Handler of a server whose log is still being opened. Until Attach it answers all requests but those for
// health with 503.
func New(opts Options) *Handler {
	h := &Handler{opts: opts.withDefaults()}
	h.current.Store(&attachment{})
	h.streams = map[string]int{}
	h.routes = map[string]http.HandlerFunc{
		"/healthz": h.health, "/readyz": h.ready, "/v1/status": h.served(h.status),
		"/v1/facts": h.served(h.streamed(h.facts)), "/v1/events": h.served(h.streamed(h.events)),
	}
	return h
}

// Attach gives the Handler the server, its log, and values, which reads values by key; if values is nil, requests for
// keys are answered with 404. All three must outlive the Handler.
func (h *Handler) Attach(s *server.Server, log backend.Log, values Values) {
	h.current.Store(&attachment{s, log, values})
}

// attached returns what Attach was given, or nils before it.
func (h *Handler) attached() *attachment { return h.current.Load() }

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
	serve := h.routes[path]
	if _, _, ok := storeAndKey(path); ok {
		serve = h.served(h.value)
	}
	switch {
	case serve == nil:
		h.fail(w, r, errNothingAt(r))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		h.fail(w, r, &statusError{http.StatusMethodNotAllowed, fmt.Errorf("%s is for GET, not %s", path, r.Method)})
	default:
		serve(w, r)
	}
}

// Handle lets next answer the requests for a path from clients that the server lets in. It must be called before the
// first request.
func (h *Handler) Handle(path string, next http.Handler) {
	h.routes[path] = h.served(func(w http.ResponseWriter, r *http.Request, _ *request) error {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.opts.WriteTimeout))
		next.ServeHTTP(w, r)
		return nil
	})
}

// A request is a request of a client that was let in.
type request struct {
	*attachment
	client auth.Session
}

// served returns a handler that needs the log and knows the client.
func (h *Handler) served(handle func(w http.ResponseWriter, r *http.Request, q *request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{attachment: h.attached()}
		if q.server == nil {
			h.fail(w, r, &statusError{http.StatusServiceUnavailable, errLoading})
			return
		}
		err := h.checkOrigin(r, q.server.Open())
		if err == nil {
			q.client = q.server.Authorize(auth.CredentialOf(bearer(r), r.TLS))
			err = q.client.Err
		}
		if err == nil {
			err = handle(w, r, q)
		}
		if err != nil {
			h.fail(w, r, err)
		}
	}
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
