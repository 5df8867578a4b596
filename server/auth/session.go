package auth

// A Session is a client with what it may do. The methods that change it must not be called concurrently.
type Session struct {
	Grant Grant // zero if Err is set
	Err   error // why the client may do nothing; nil: it may do what Grant says

	policy Policy
	shown  Credential
	known  *tokenSet // what Grant was looked up in
}

// Session returns the session of a client that shows c.
func (p Policy) Session(c Credential) Session {
	s := Session{policy: p, shown: c}
	s.lookUp()
	return s
}

// Show looks the grant up with another token; "" leaves the token as it is.
func (s *Session) Show(token string) {
	s.shown = s.shown.WithToken(token)
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
	s.Grant, s.Err = s.policy.Grant(s.shown)
}
