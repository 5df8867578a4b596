// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// checkOrigin refuses requests that another website makes a browser send, unless the operator allows the website
// (Options.Origins). If open is true, clients need neither tokens nor certificates. Then a website could also read the
// answers, by giving its own name to this machine's address (DNS rebinding). So the Host must be an address, localhost, or
// one of [Options.Hosts].
func (h *Handler) checkOrigin(r *http.Request, open bool) error {
	origin := r.Header.Get("Origin")
	if !h.named(origin) {
		switch site := r.Header.Get("Sec-Fetch-Site"); site {
		case "", "same-origin", "none": // not a browser, this website, or the user
		default:
			return fmt.Errorf("%w: a browser sends this request for another website (Sec-Fetch-Site: %s), which --http-origin does not name", backend.ErrForbidden, clip(site))
		}
		if own, err := url.Parse(origin); origin != "" && (err != nil || own.Host != r.Host) && r.Method != http.MethodGet && r.Method != http.MethodHead {
			return fmt.Errorf("%w: a browser sends this request for the website %s, which --http-origin does not name", backend.ErrForbidden, clip(origin))
		}
	}
	if !open || r.Host == "" {
		return nil
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(h.opts.Hosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return nil
	}
	return fmt.Errorf("%w: the request is for host %q, and this server asks for no tokens: use localhost or an address, name the host in the settings, or set tokens", backend.ErrForbidden, clip(host))
}

// named reports whether the operator allows requests from the scripts of a website.
func (h *Handler) named(origin string) bool {
	return origin != "" && slices.Contains(h.opts.Origins, origin)
}

// allowOrigin lets the scripts of an allowed website read the answer.
func (h *Handler) allowOrigin(x *exchange, r *http.Request) {
	if len(h.opts.Origins) == 0 {
		return
	}
	header := x.Header()
	header.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); h.named(origin) {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", "ETag, Igniter-Horizon, Igniter-Seq, Location, Retry-After, WWW-Authenticate")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
}

// preflight answers OPTIONS: the allowed methods and, for browsers, the allowed websites.
func (h *Handler) preflight(x *exchange, r *http.Request, route *route) {
	header := x.Header()
	allow := route.allow() + ", OPTIONS"
	header.Set("Allow", allow)
	if h.named(r.Header.Get("Origin")) {
		header.Set("Access-Control-Allow-Methods", allow)
		header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID")
		header.Set("Access-Control-Max-Age", "600")
		if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
			header.Set("Access-Control-Allow-Private-Network", "true")
		}
	}
	x.WriteHeader(http.StatusNoContent)
}

// clip shortens a text of a request for an error.
func clip(s string) string {
	if len(s) > 256 {
		return s[:256] + "…"
	}
	return s
}
