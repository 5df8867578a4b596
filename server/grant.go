package server

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// A grant is what a client may do.
type grant struct {
	name        string // of its token or certificate; "": it has none, and needs none
	read, write stores
	admin       bool
}

// everything is what a client may do where nothing says otherwise.
var everything = grant{read: stores{all: true}, write: stores{all: true}, admin: true}

// stores are names of stores, or all of them.
type stores struct {
	all   bool
	names []string
}

func newStores(names []string) stores {
	return stores{all: slices.Contains(names, "*"), names: names}
}

func (s stores) has(name string) bool { return s.all || slices.Contains(s.names, name) }

// A credential is what a client has shown. The zero credential is nothing.
type credential struct {
	token [sha256.Size]byte // the hash of its token; zero: none
	cert  string            // the common name of its certificate, which was verified
	isTLS bool              // there is a certificate
}

// grantOf returns what a client may do: that of its token, or of the entry with its certificate's name, or
// everything, where the certificate is all that is asked for.
func (s *Server) grantOf(c credential) (grant, error) {
	wanted := "a token"
	switch {
	case s.opts.Tokens == nil && !s.wantsCertificates():
		return everything, nil
	case s.opts.Tokens == nil && c.isTLS:
		g := everything
		g.name = c.cert
		return g, nil
	case s.opts.Tokens == nil:
		wanted = "a client certificate"
	default:
		known := s.opts.Tokens.known.Load()
		if c.token != ([sha256.Size]byte{}) {
			if g, ok := known.find(c.token); ok {
				return g, nil
			}
			return grant{}, fmt.Errorf("%w: the token is not known here, or is not any more", backend.ErrUnauthenticated)
		}
		if c.isTLS {
			if g, ok := known.named(c.cert); ok {
				return g, nil
			}
		}
	}
	return grant{}, fmt.Errorf("%w: this server wants %s", backend.ErrUnauthenticated, wanted)
}

func (g *grant) mayWrite(store string) error {
	if g.write.has(store) {
		return nil
	}
	return fmt.Errorf("%w: %s may not write store %q", backend.ErrForbidden, g.name, store)
}

func (g *grant) mayAdmin(op string) error {
	if g.admin {
		return nil
	}
	return fmt.Errorf("%w: %s may not %s, which is for administrators", backend.ErrForbidden, g.name, op)
}

// readable returns which of the stores that are asked for (nil: all) a client gets; a nil filter lets
// everything through. Asking by name for one that it may not read is an error.
func (g *grant) readable(names []string) (filter *stores, err error) {
	for _, name := range names {
		if !g.read.has(name) {
			return nil, fmt.Errorf("%w: %s may not read store %q", backend.ErrForbidden, g.name, name)
		}
	}
	switch {
	case len(names) > 0:
		return &stores{names: names}, nil
	case g.read.all:
		return nil, nil
	}
	return &g.read, nil
}
