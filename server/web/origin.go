package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// checkOrigin refuses requests that another website makes a browser send. Where clients need neither tokens nor
// certificates, open, a website could also read the answers, by letting its own name stand for this machine's address
// (DNS rebinding): then the Host must be an address, localhost, or one of [Options.Hosts].
func (h *Handler) checkOrigin(r *http.Request, open bool) error {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none": // not a browser, this website, or the user
	default:
		return fmt.Errorf("%w: a browser sends this request for another website (Sec-Fetch-Site: %s)", backend.ErrForbidden, clip(site))
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

// clip shortens a text of a request for an error.
func clip(s string) string {
	if len(s) > 256 {
		return s[:256] + "…"
	}
	return s
}
