package server

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/goccy/go-yaml"

	"github.com/igniter-store/igniter/backend"
)

// A TokenEntry says what the bearer of a token may do. Its stores may be "*", which stands for all.
type TokenEntry struct {
	Name   string   `json:"name" yaml:"name"`             // unique; also the common name of a client certificate that stands for the token
	SHA256 string   `json:"sha256" yaml:"sha256"`         // of the token's text, in hex
	Read   []string `json:"read,omitempty" yaml:"read"`   // stores
	Write  []string `json:"write,omitempty" yaml:"write"` // stores
	Admin  bool     `json:"admin,omitempty" yaml:"admin"` // may snapshot, prune and see server_status
}

// NewToken makes a token, and the entry for it, which grants nothing yet.
func NewToken(name string) (token string, entry TokenEntry) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(token))
	return token, TokenEntry{Name: name, SHA256: hex.EncodeToString(sum[:])}
}

// Tokens are the tokens that a server knows, from a file that can be read again while the server runs.
// Its methods may be called concurrently.
type Tokens struct {
	path  string
	known atomic.Pointer[tokenSet]
}

// A tokenSet is what a file said at one time.
type tokenSet struct{ entries []token }

type token struct {
	name  string
	sum   [sha256.Size]byte
	grant grant
}

// LoadTokens reads tokens from a file: a list of [TokenEntry] in YAML or JSON. A file with a field that
// no entry has, with an entry that is not complete, or with a name or token twice, is an error. The empty
// list [] lets nobody in; a file with no list in it, which may be one that is being written, is an error.
//
//   - name: worker
//     sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b # printf %s secret | sha256sum
//     read: ["*"]
//     write: [tasks, notes]
//   - name: operator
//     sha256: 6ee0eb490ff832101cf82a3d387c35f29e4230be786978f7acf9e811febf6723
//     admin: true
func LoadTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	if err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// Reload reads the file again. From then on, connections are held to what it says, those too that are open;
// after an error, what was known stays in force.
func (t *Tokens) Reload() error {
	text, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("server: load tokens: %w", err)
	}
	set, err := parseTokens(text)
	if err != nil {
		return fmt.Errorf("server: load tokens from %s: %w", t.path, err)
	}
	t.known.Store(set)
	return nil
}

func parseTokens(text []byte) (*tokenSet, error) {
	var entries []TokenEntry
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&entries); err != nil && err != io.EOF {
		return nil, err
	}
	if entries == nil {
		return nil, &backend.InvalidError{Field: "tokens", Reason: "no list: write [] if nobody is to be let in"}
	}
	if err := d.Decode(new(any)); err != io.EOF {
		return nil, &backend.InvalidError{Field: "tokens", Reason: "a second document, after the list"}
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
		set.entries = append(set.entries, token{
			name: e.Name, sum: [sha256.Size]byte(sum),
			grant: grant{name: e.Name, read: newStores(e.Read), write: newStores(e.Write), admin: e.Admin},
		})
	}
	return set, nil
}

// find returns what the bearer of a token may do. It takes as long for every token.
func (s *tokenSet) find(sum [sha256.Size]byte) (g grant, ok bool) {
	for i := range s.entries {
		if subtle.ConstantTimeCompare(s.entries[i].sum[:], sum[:]) == 1 {
			g, ok = s.entries[i].grant, true
		}
	}
	return g, ok
}

// named returns what the entry with a name grants.
func (s *tokenSet) named(name string) (g grant, ok bool) {
	for i := range s.entries {
		if s.entries[i].name == name {
			return s.entries[i].grant, true
		}
	}
	return g, false
}
