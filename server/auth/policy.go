// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// A Credential has the token and the certificate that a client has shown. The zero Credential has neither.
type Credential struct {
	token    [sha256.Size]byte // hash of the token; zero: none
	hasCert  bool
	certName string // common name of the verified certificate
}

// CredentialOf returns the credential of a client that shows a token ("": none) on a connection with the given TLS state
// (nil: no TLS). Only a verified certificate of the connection counts.
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

// A Policy decides which clients are authenticated. The zero Policy lets everyone do everything.
type Policy struct {
	Tokens       *Tokens // grants by token, or by a certificate whose common name is the name of an entry; nil: no tokens
	Certificates bool    // the transport requires a verified certificate, which is enough if there are no Tokens
}

// Open reports whether the policy lets everyone do everything.
func (p Policy) Open() bool { return p.Tokens == nil && !p.Certificates }

// grant returns the grant of a client that shows c. An unknown token or a missing credential is backend.ErrUnauthenticated.
func (p Policy) grant(c Credential) (Grant, error) {
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
