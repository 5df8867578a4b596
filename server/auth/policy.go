// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// A Credential is what a client has shown. In the zero Credential, the client has shown nothing.
type Credential struct {
	token    [sha256.Size]byte // hash of the token; zero: none
	hasCert  bool
	certName string // common name of the verified certificate
}

// CredentialOf returns the credential of a client that shows a token ("": none) on a TLS connection (nil: none). Of the
// connection, only a verified certificate counts.
func CredentialOf(token string, state *tls.ConnectionState) Credential {
	var c Credential
	if state != nil && len(state.VerifiedChains) > 0 {
		c.hasCert, c.certName = true, state.VerifiedChains[0][0].Subject.CommonName
	}
	return c.withToken(token)
}

// withToken returns c with another token; "" leaves the token as it is.
func (c Credential) withToken(token string) Credential {
	if token != "" {
		c.token = sha256.Sum256([]byte(token))
	}
	return c
}

// A Policy says which clients are let in. The zero Policy lets everyone do everything.
type Policy struct {
	Tokens       *Tokens // grants by token, or by a certificate whose common name is the name of an entry; nil: tokens are not used
	Certificates bool    // the transport requires a verified certificate, which is enough where there are no Tokens
}

// Open reports whether the policy lets everyone do everything.
func (p Policy) Open() bool { return p.Tokens == nil && !p.Certificates }

// Grant returns what a client that shows c may do. An unknown token or a missing credential is
// backend.ErrUnauthenticated.
func (p Policy) Grant(c Credential) (Grant, error) {
	if p.Open() {
		return everything, nil
	}
	if p.Tokens == nil {
		if !c.hasCert {
			return Grant{}, fmt.Errorf("%w: this server requires a client certificate", backend.ErrUnauthenticated)
		}
		g := everything
		g.name = c.certName
		return g, nil
	}
	entries := p.Tokens.load()
	if c.token != ([sha256.Size]byte{}) {
		if g, ok := entries.find(c.token); ok {
			return g, nil
		}
		return Grant{}, fmt.Errorf("%w: the token is not known here, or is not any more", backend.ErrUnauthenticated)
	}
	if c.hasCert {
		if g, ok := entries.named(c.certName); ok {
			return g, nil
		}
	}
	return Grant{}, fmt.Errorf("%w: this server requires a token", backend.ErrUnauthenticated)
}
