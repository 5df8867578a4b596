package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
)

// A Handler answers HTTP requests about a server and its log, see the package's comment. Its methods may be called
// concurrently.
type Handler struct {
	opts    Options
	routes  map[string]http.HandlerFunc // by path
	streams chan struct{}               // holds something for each stream
	reads   reads

	mu     sync.Mutex
	server *server.Server // nil: the log is being opened
	log    backend.Backend
}

// New returns a Handler of a server whose log is still being opened: but for health it answers 503 until Attach.
func New(opts Options) *Handler {
	h := &Handler{opts: opts.withDefaults()}
	h.streams = make(chan struct{}, h.opts.MaxStreams)
	h.reads.life, h.reads.end = context.WithCancel(context.Background())
	h.routes = map[string]http.HandlerFunc{
		"/healthz": h.health, "/readyz": h.ready, "/v1/status": h.served(h.status),
		"/v1/facts": h.served(h.streamed(h.facts)), "/v1/events": h.served(h.streamed(h.events)),
	}
	return h
}

// Attach gives the Handler the server and its log, both of which outlive it.
func (h *Handler) Attach(s *server.Server, b backend.Backend) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server, h.log = s, b
}

// Close ends what the Handler keeps in memory. It is called when no request is under way any more, and before the
// log is closed. Closing again does nothing.
func (h *Handler) Close() error { return h.reads.close() }

// attached returns what Attach gave; nil: nothing yet.
func (h *Handler) attached() (*server.Server, backend.Backend) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.server, h.log
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	path := r.URL.EscapedPath() // as it was sent: keys may hold what a cleaned path would not
	serve := h.routes[path]
	if _, _, ok := storeAndKey(path); ok && !h.opts.NoReads {
		serve = h.served(h.value)
	}
	switch {
	case serve == nil:
		h.fail(w, r, &statusError{http.StatusNotFound, fmt.Errorf("there is nothing at %s", path)})
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		h.fail(w, r, &statusError{http.StatusMethodNotAllowed, fmt.Errorf("%s is for GET, not %s", path, r.Method)})
	default:
		serve(w, r)
	}
}

// Handle has requests for a path answered by next, for those alone that the server lets in: it is for what is to be had
// beside the Handler's own. It is called before the first request.
func (h *Handler) Handle(path string, next http.Handler) {
	h.routes[path] = h.served(func(w http.ResponseWriter, r *http.Request, _ *request) error {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.opts.WriteTimeout))
		next.ServeHTTP(w, r)
		return nil
	})
}

// A request is what is known of one: who asks, and whom.
type request struct {
	server *server.Server
	log    backend.Backend
	token  string
	grant  server.Grant
}

// authorize finds out, again if need be, what the client may do.
func (q *request) authorize(r *http.Request) (err error) {
	q.grant, err = q.server.Authorize(q.token, r.TLS)
	return err
}

// served makes a handler of one that wants the log and knows who asks.
func (h *Handler) served(handle func(w http.ResponseWriter, r *http.Request, q *request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{}
		if q.server, q.log = h.attached(); q.server == nil {
			h.fail(w, r, &statusError{http.StatusServiceUnavailable, errLoading})
			return
		}
		q.token = bearer(r)
		err := q.authorize(r)
		if err == nil {
			err = handle(w, r, q)
		}
		if err != nil {
			h.fail(w, r, err)
		}
	}
}

var errLoading = errors.Join(backend.ErrUnavailable, errors.New("the log is being opened: try again later"))

// bearer returns the token that a request shows; "": none.
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// A statusError is an error with a status of its own.
type statusError struct {
	status int
	error
}

func (e *statusError) Unwrap() error { return e.error }

// errBegun ends an answer that is under way already.
type errBegun struct{ error }

// fail answers with an error.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	begun, ok := errors.AsType[errBegun](err)
	if ok {
		err = begun.error
	}
	h.count(err)
	if ok {
		h.opts.Logger.Info("an answer was cut off", zap.String("path", r.URL.Path), zap.String("client", r.RemoteAddr), zap.Error(err))
		panic(http.ErrAbortHandler) // the one way to tell the client that it has not got all
	}
	status := statusOf(err)
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="igniter"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusInternalServerError:
		h.opts.Logger.Error("a request failed", zap.String("path", r.URL.Path), zap.Error(err))
	}
	code := protocol.ErrorCode(err)
	switch status {
	case http.StatusBadRequest:
		code = "invalid_request"
	case http.StatusNotFound:
		code = "not_found"
	case http.StatusMethodNotAllowed:
		code = "method_not_allowed"
	}
	h.answer(w, status, struct {
		Code  string `json:"error_code"`
		Error string `json:"error"`
	}{code, strings.ReplaceAll(err.Error(), "\n", ": ")})
}

// count tells the server of a request that failed because of the log.
func (h *Handler) count(err error) {
	s, _ := h.attached()
	for _, failure := range []error{backend.ErrFull, backend.ErrFailed, backend.ErrCorrupt} {
		if s != nil && errors.Is(err, failure) {
			s.Failed(err)
			return
		}
	}
}

// statusOf returns the status that says what an error does.
func statusOf(err error) int {
	if own, ok := errors.AsType[*statusError](err); ok {
		return own.status
	}
	for _, s := range []struct {
		err    error
		status int
	}{
		{backend.ErrUnauthenticated, http.StatusUnauthorized}, {backend.ErrForbidden, http.StatusForbidden},
		{backend.ErrInvalid, http.StatusBadRequest}, {errors.ErrUnsupported, http.StatusNotImplemented},
		{backend.ErrUnavailable, http.StatusServiceUnavailable}, {backend.ErrClosed, http.StatusServiceUnavailable},
		{context.Canceled, http.StatusServiceUnavailable}, {context.DeadlineExceeded, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// answer answers with JSON.
func (h *Handler) answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text, status = []byte(`{"error_code":"internal_error","error":"the answer can't be written as JSON"}`), http.StatusInternalServerError
	}
	h.send(w, status, append(text, '\n'))
}

// send sends a JSON answer. A client that does not take it is no concern of anybody else.
func (h *Handler) send(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.opts.WriteTimeout))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
