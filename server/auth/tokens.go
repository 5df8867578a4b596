// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/goccy/go-yaml"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/plaintext"
)

// Tokens are the tokens that a server knows, read from a file that can be reloaded while the server runs. Its methods
// may be called concurrently.
type Tokens struct {
	path    string
	current atomic.Pointer[tokenSet]
}

// A tokenSet is the contents of the file at one time. It is immutable.
type tokenSet struct{ tokens []token }

type token struct {
	sum   [sha256.Size]byte
	grant Grant
}

// LoadTokens reads tokens from a file: a list of [TokenEntry] in YAML or JSON. Unknown fields, incomplete entries, and
// names or tokens that occur twice are errors. The empty list [] lets nobody in. A file without a list is an error, since
// it may still be being written.
//
//	# The hash is the output of: printf %s secret | sha256sum
//	- name: worker
//	  sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
//	  read: ["*"]
//	  write: [tasks, notes]
//	- name: operator
//	  sha256: 6ee0eb490ff832101cf82a3d387c35f29e4230be786978f7acf9e811febf6723
//	  admin: true
func LoadTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	if err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// Reload reads the file again. From then on the new tokens apply to every connection, including open ones. After an error
// the tokens are unchanged.
func (t *Tokens) Reload() error {
	text, err := plaintext.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("auth: load tokens: %w", err)
	}
	set, err := parseTokens(text)
	if err != nil {
		return fmt.Errorf("auth: load tokens from %s: %w", t.path, err)
	}
	t.current.Store(set)
	return nil
}

// Len returns the number of tokens.
func (t *Tokens) Len() int { return len(t.load().tokens) }

func (t *Tokens) load() *tokenSet { return t.current.Load() }

func parseTokens(text []byte) (*tokenSet, error) {
	text, err := plaintext.UTF8(text)
	if err != nil {
		return nil, err
	}
	var entries []TokenEntry
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&entries); err != nil && err != io.EOF {
		return nil, err
	}
	if entries == nil {
		return nil, &backend.InvalidError{Field: "tokens", Reason: "there is no list: write [] to let nobody in"}
	}
	if err := d.Decode(new(any)); err != io.EOF {
		return nil, &backend.InvalidError{Field: "tokens", Reason: "a second document follows the list"}
	}
	set := &tokenSet{}
	names, sums := map[string]bool{}, map[[sha256.Size]byte]bool{}
	for i, e := range entries {
		sum, err := hex.DecodeString(e.SHA256)
		switch {
		case e.Name == "":
			return nil, &backend.InvalidError{Field: fmt.Sprintf("[%d].name", i), Reason: "missing"}
		case names[e.Name]:
			return nil, &backend.InvalidError{Field: fmt.Sprintf("[%d].name", i), Reason: fmt.Sprintf("%q names another entry too", e.Name)}
		case err != nil || len(sum) != sha256.Size:
			return nil, &backend.InvalidError{Field: fmt.Sprintf("[%d].sha256", i), Reason: "not the 64 hex digits of a SHA-256"}
		case sums[[sha256.Size]byte(sum)]:
			return nil, &backend.InvalidError{Field: fmt.Sprintf("[%d].sha256", i), Reason: "another entry is for the same token"}
		}
		names[e.Name], sums[[sha256.Size]byte(sum)] = true, true
		grant := Grant{name: e.Name, read: newStores(e.Read), write: newStores(e.Write), imports: e.Import || e.Admin, admin: e.Admin}
		set.tokens = append(set.tokens, token{[sha256.Size]byte(sum), grant})
	}
	return set, nil
}

// find returns the grant of a token. It takes equally long for every token.
func (s *tokenSet) find(sum [sha256.Size]byte) (g Grant, ok bool) {
	for i := range s.tokens {
		if subtle.ConstantTimeCompare(s.tokens[i].sum[:], sum[:]) == 1 {
			g, ok = s.tokens[i].grant, true
		}
	}
	return g, ok
}

// named returns the grant of the entry with a name.
func (s *tokenSet) named(name string) (g Grant, ok bool) {
	for i := range s.tokens {
		if s.tokens[i].grant.name == name {
			return s.tokens[i].grant, true
		}
	}
	return g, false
}
