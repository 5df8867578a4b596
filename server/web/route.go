// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/url"
	"strings"
)

// A handler answers requests for a route. args are the parts of the path that the route's pattern names.
type handler func(x *exchange, r *http.Request, args []string)

// A route has the handlers of requests for paths of a pattern, in the form of openapi.json: {name} stands for the rest of
// the path up to the next slash. At the pattern's end it stands for the whole rest, with slashes, unless the route forbids
// that.
type route struct {
	pattern          string
	get              handler
	put, post, erase handler
}

func (h *Handler) allRoutes() []route {
	return []route{
		{pattern: "/", get: h.front},
		{pattern: "/healthz", get: h.health},
		{pattern: "/readyz", get: h.ready},
		{pattern: "/openapi.json", get: h.openAPI},
		{pattern: "/v1/whoami", get: h.served(h.whoami)},
		{pattern: "/v1/status", get: h.served(h.status)},
		{pattern: "/v1/stores", get: h.read(ofQuestion, h.stores)},
		{pattern: "/v1/stores/{store}/{key}", get: h.read(ofValue, h.value), put: h.writing(h.write), erase: h.writing(h.write)},
		{pattern: "/v1/stores/{store}", get: h.read(ofQuestion, h.keys)},
		{pattern: "/v1/history/{store}/{key}", get: h.read(ofQuestion, h.history)},
		{pattern: "/v1/facts", get: h.served(h.streamed(h.facts)), post: h.writing(h.writeAll)},
		{pattern: "/v1/facts/{id}", get: h.read(ofQuestion, h.fact)},
		{pattern: "/v1/lineage/{id}", get: h.read(ofQuestion, h.lineage)},
		{pattern: "/v1/diff/{store}", get: h.read(ofQuestion, h.diff)},
		{pattern: "/v1/histogram", get: h.read(ofQuestion, h.histogram)},
		{pattern: "/v1/moment", get: h.read(ofQuestion, h.moment)},
		{pattern: "/v1/events", get: h.events},
	}
}

// method returns the handler of a method; nil if none exists.
func (r *route) method(name string) handler {
	switch {
	case r == nil:
		return nil
	case name == http.MethodGet || name == http.MethodHead:
		return r.get
	case name == http.MethodPut:
		return r.put
	case name == http.MethodPost:
		return r.post
	case name == http.MethodDelete:
		return r.erase
	}
	return nil
}

// allow returns the methods, for the header Allow.
func (r *route) allow() string {
	all := "GET, HEAD"
	for _, m := range []struct {
		name   string
		handle handler
	}{{"PUT", r.put}, {"POST", r.post}, {"DELETE", r.erase}} {
		if m.handle != nil {
			all += ", " + m.name
		}
	}
	return all
}

// find returns the route of an escaped path, and the parts that its pattern names.
func (h *Handler) find(path string) (*route, []string) {
	for i := range h.routes {
		r := &h.routes[i]
		fixed, names, _ := strings.Cut(r.pattern, "{")
		if names == "" {
			if path == fixed {
				return r, nil
			}
			continue
		}
		rest, ok := strings.CutPrefix(path, fixed)
		if !ok {
			continue
		}
		var args []string
		if strings.Contains(names, "/") { // a store and a key
			var store string
			if store, rest, ok = strings.Cut(rest, "/"); !ok || store == "" {
				continue
			}
			args = append(args, store)
		} else if rest == "" || strings.HasPrefix(names, "store") && strings.Contains(rest, "/") {
			continue
		}
		if args = unescaped(append(args, rest)); args != nil {
			return r, args
		}
	}
	return nil, nil
}

// unescaped returns parts of a path without their escapes; nil if an escape is wrong.
func unescaped(parts []string) []string {
	for i := range parts {
		var err error
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return nil
		}
	}
	return parts
}

// front redirects browsers to the inspector.
func (h *Handler) front(x *exchange, r *http.Request, _ []string) {
	x.Header().Set("Vary", "Accept")
	if h.opts.NoUI || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.fail(x, r, errNothingAt(r))
		return
	}
	x.Header().Set("Location", "ui/") // relative, since the handler may be mounted below a path
	x.WriteHeader(http.StatusFound)
}
