// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/auth"
)

// An exchange is the answer to a request, with the data to count and log it.
type exchange struct {
	http.ResponseWriter
	begun  time.Time
	route  string // "": none
	client string // the name of its token or certificate
	grant  auth.Grant
	large  share
	asking share // of the budget of questions
	status int   // 0: not sent yet
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(p)
}

// deadline limits the time in which the client must read the next bytes.
func (x *exchange) deadline(within time.Duration) {
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(within))
}

// A RequestCount counts the requests of a client for a route that were answered with a code.
type RequestCount struct {
	Route  string // as in openapi.json; "other" for other paths
	Code   int
	Client string // name of the token or certificate; "": not authenticated, or the server requires neither
	Count  uint64
	Took   backend.Timings // until the answer was sent; of streams, until they ended
}

// maxRequestCounts limits the number of RequestCounts; further requests are counted for the client "other".
const maxRequestCounts = 4096

type requestKey struct {
	route  string
	code   int
	client string
}

type requestCounts struct {
	mu  sync.Mutex
	all map[requestKey]*RequestCount
}

// Requests returns the counts of all requests.
func (h *Handler) Requests() []RequestCount {
	c := &h.requests
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]RequestCount, 0, len(c.all))
	for _, n := range c.all {
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b RequestCount) int {
		if c := strings.Compare(a.Route, b.Route); c != 0 || a.Code != b.Code {
			return c*1000 + a.Code - b.Code
		}
		return strings.Compare(a.Client, b.Client)
	})
	return all
}

// note counts and logs an answered request.
func (h *Handler) note(x *exchange, r *http.Request) {
	took := time.Since(x.begun)
	key := requestKey{x.route, x.status, x.client}
	if key.route == "" {
		key.route = "other"
	}
	if key.code == 0 {
		key.code = http.StatusOK
	}
	c := &h.requests
	c.mu.Lock()
	if c.all == nil {
		c.all = map[requestKey]*RequestCount{}
	}
	n := c.all[key]
	if n == nil && len(c.all) >= maxRequestCounts {
		key.client = "other"
		n = c.all[key]
	}
	if n == nil {
		n = &RequestCount{Route: key.route, Code: key.code, Client: key.client}
		c.all[key] = n
	}
	n.Count++
	n.Took.Add(took)
	c.mu.Unlock()
	if l := h.opts.Logger.Check(zap.DebugLevel, "answered a request"); l != nil {
		l.Write(zap.String("method", r.Method), zap.String("route", key.route), zap.Int("code", key.code), zap.String("token", x.client),
			zap.String("client", r.RemoteAddr), zap.Duration("took", took))
	}
}
