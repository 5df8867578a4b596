package server

import (
	"crypto/sha256"
	"crypto/tls"
)

// A Grant is what a client may do, for what serves the log beside the server's own connections. The zero Grant is
// nothing.
type Grant struct{ grant grant }

// Authorize returns what a client may do at present that shows a token ("": none) over a connection with a TLS state
// (nil: none); backend.ErrUnauthenticated: it may do nothing. What is granted changes with [Tokens.Reload], so who
// serves a client for long asks again.
func (s *Server) Authorize(token string, state *tls.ConnectionState) (Grant, error) {
	var shown credential
	if token != "" {
		shown.token = sha256.Sum256([]byte(token))
	}
	if state != nil && len(state.VerifiedChains) > 0 {
		shown.isTLS, shown.cert = true, state.VerifiedChains[0][0].Subject.CommonName
	}
	g, err := s.grantOf(shown)
	return Grant{g}, err
}

// Name returns the name of the client's token or certificate; "" if it has none, and needs none.
func (g Grant) Name() string { return g.grant.name }

// Readable returns which of some stores (none: of all) the client may read; nil: all of them. Asking by name for one
// that it may not read is backend.ErrForbidden.
func (g Grant) Readable(stores ...string) (has func(store string) bool, err error) {
	filter, err := g.grant.readable(stores)
	if err != nil || filter == nil {
		return nil, err
	}
	return filter.has, nil
}

// Admin returns backend.ErrForbidden, which names what was asked for, unless the client is an administrator.
func (g Grant) Admin(what string) error { return g.grant.mayAdmin(what) }

// Draining returns a channel that is closed once the server is to end.
func (s *Server) Draining() <-chan struct{} { return s.draining }
