// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// A Session is a client with its grant. Show and Refresh must not be called concurrently.
type Session struct {
	Grant Grant // zero if Err is set
	Err   error // why the client may do nothing; nil: it may do what Grant says

	policy Policy
	shown  Credential
	known  *tokenSet // the tokens in which Grant was looked up
}

// Session returns the session of a client that shows c.
func (p Policy) Session(c Credential) Session {
	s := Session{policy: p, shown: c}
	s.lookUp()
	return s
}

// Show looks the grant up with another token; "" leaves the token as it is.
func (s *Session) Show(token string) {
	s.shown = s.shown.withToken(token)
	s.lookUp()
}

// Refresh looks the grant up again if the tokens were reloaded since, and reports whether it did.
func (s *Session) Refresh() bool {
	if s.policy.Tokens == nil || s.policy.Tokens.load() == s.known {
		return false
	}
	s.lookUp()
	return true
}

func (s *Session) lookUp() {
	if t := s.policy.Tokens; t != nil {
		s.known = t.load() // before the grant: a reload between the two is noticed by the next Refresh
	}
	s.Grant, s.Err = s.policy.grant(s.shown)
}

// A Reading has the stores that a loop over the log reads for a client: stores that the client asked for and may read.
type Reading struct {
	Stores []string // nil: all; empty: none; must not be modified

	session *Session
	asked   []string
}

// Read returns the Reading of a client that asks for the stores asked (nil: all), see [Grant.Readable].
func (s *Session) Read(asked []string) (Reading, error) {
	stores, err := s.Grant.Readable(asked)
	return Reading{stores, s, asked}, err
}

// Refresh refreshes the session. It returns the session's Err if the client may do nothing any more. If the stores that the
// client reads have changed, it updates Stores and returns backend.ErrAccessChanged. If the client may no longer read a
// store that it asked for by name, the error is also backend.ErrForbidden, and Stores is empty.
func (r *Reading) Refresh() error {
	if !r.session.Refresh() {
		return nil
	}
	if r.session.Err != nil {
		return r.session.Err
	}
	stores, err := r.session.Grant.Readable(r.asked)
	switch {
	case err != nil:
		r.Stores = []string{}
		return fmt.Errorf("%w: %w", backend.ErrAccessChanged, err)
	case (stores == nil) == (r.Stores == nil) && slices.Equal(stores, r.Stores):
		return nil
	}
	r.Stores = stores
	return fmt.Errorf("%w: read the log again", backend.ErrAccessChanged)
}
