// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/auth"
)

// A tokenFile is a file of tokens.
type tokenFile struct {
	*testing.T
	path string
	*auth.Tokens
}

func newTokenFile(t *testing.T, entries ...auth.TokenEntry) *tokenFile {
	f := &tokenFile{T: t, path: filepath.Join(t.TempDir(), "tokens.json")}
	f.write(entries...)
	var err error
	f.Tokens, err = auth.LoadTokens(f.path)
	require.NoError(t, err)
	return f
}

func (f *tokenFile) write(entries ...auth.TokenEntry) {
	f.Helper()
	text, err := json.Marshal(entries)
	require.NoError(f, err)
	require.NoError(f, os.WriteFile(f.path, text, 0o600))
}

func (f *tokenFile) reload(entries ...auth.TokenEntry) {
	f.Helper()
	f.write(entries...)
	require.NoError(f, f.Reload())
}

// newToken returns a token and its entry.
func newToken(name string, read, write []string, admin bool) (string, auth.TokenEntry) {
	token, entry := auth.NewToken(name)
	entry.Read, entry.Write, entry.Admin = read, write, admin
	return token, entry
}

// certificate returns the state of a connection whose client has shown a certificate.
func certificate(name string) *tls.ConnectionState {
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: name}}}}}
}

// grantOf returns the grant of a new session.
func grantOf(p auth.Policy, c auth.Credential) (auth.Grant, error) {
	s := p.Session(c)
	return s.Grant, s.Err
}

// requireEverything requires that a client may do everything.
func requireEverything(t *testing.T, p auth.Policy, c auth.Credential) *auth.Grant {
	t.Helper()
	g, err := grantOf(p, c)
	require.NoError(t, err)
	require.NoError(t, g.MayWrite("any"))
	require.NoError(t, g.MayAdmin("prune"))
	stores, err := g.Readable(nil)
	require.NoError(t, err)
	require.Nil(t, stores)
	return &g
}

// requireNothing requires that a client is not authenticated.
func requireNothing(t *testing.T, p auth.Policy, c auth.Credential) {
	t.Helper()
	g, err := grantOf(p, c)
	require.ErrorIs(t, err, backend.ErrUnauthenticated)
	require.ErrorIs(t, g.MayWrite("any"), backend.ErrForbidden)
	require.ErrorIs(t, g.MayAdmin("prune"), backend.ErrForbidden)
	_, err = g.Readable([]string{"any"})
	require.ErrorIs(t, err, backend.ErrForbidden)
	require.Empty(t, g.Name())
}

// TestPolicy: each policy lets in the clients that it says, and only them.
func TestPolicy(t *testing.T) {
	token, entry := newToken("worker", []string{"*"}, []string{"*"}, true)
	other, _ := auth.NewToken("worker")
	require.NotEqual(t, token, other)
	require.GreaterOrEqual(t, len(token), 32)
	require.NotContains(t, fmt.Sprint(entry), token)

	open := auth.Policy{}
	require.True(t, open.Open())
	require.Empty(t, requireEverything(t, open, auth.Credential{}).Name())
	requireEverything(t, open, auth.CredentialOf(token, nil))

	certificates := auth.Policy{Certificates: true}
	require.False(t, certificates.Open())
	requireNothing(t, certificates, auth.Credential{})
	requireNothing(t, certificates, auth.CredentialOf(token, &tls.ConnectionState{}))
	require.Equal(t, "anyone", requireEverything(t, certificates, auth.CredentialOf("", certificate("anyone"))).Name())

	for _, required := range []bool{false, true} {
		tokens := auth.Policy{Tokens: newTokenFile(t, entry).Tokens, Certificates: required}
		require.False(t, tokens.Open())
		requireNothing(t, tokens, auth.Credential{})
		requireNothing(t, tokens, auth.CredentialOf(other, nil))
		requireNothing(t, tokens, auth.CredentialOf(entry.SHA256, nil))
		requireNothing(t, tokens, auth.CredentialOf("", certificate("stranger")))
		requireNothing(t, tokens, auth.CredentialOf(other, certificate("worker"))) // a certificate does not make up for a wrong token
		require.Equal(t, "worker", requireEverything(t, tokens, auth.CredentialOf(token, nil)).Name())
		requireEverything(t, tokens, auth.CredentialOf("", certificate("worker")))
		requireEverything(t, tokens, auth.CredentialOf(token, certificate("stranger")))
	}
	requireNothing(t, auth.Policy{Tokens: newTokenFile(t, []auth.TokenEntry{}...).Tokens}, auth.CredentialOf(token, nil))
}

// TestReadable: a client reads the stores that it asks for, or the stores that it may read.
func TestReadable(t *testing.T) {
	for _, x := range []struct {
		granted, asked, want []string
		forbidden            bool
	}{
		{[]string{"*"}, nil, nil, false},
		{[]string{"a", "*"}, nil, nil, false},
		{[]string{"*"}, []string{"a"}, []string{"a"}, false},
		{[]string{"*"}, []string{}, []string{}, false},
		{[]string{"a", "b"}, nil, []string{"a", "b"}, false},
		{[]string{"a", "b"}, []string{"b"}, []string{"b"}, false},
		{[]string{"a", "b"}, []string{}, []string{}, false},
		{[]string{"a", "b"}, []string{"b", "c"}, nil, true},
		{[]string{"a", "b"}, []string{"*"}, nil, true},
		{[]string{}, nil, []string{}, false},
		{nil, nil, []string{}, false}, // an empty grant does not stand for all
		{nil, []string{"a"}, nil, true},
	} {
		token, entry := newToken("t", x.granted, nil, false)
		g, err := grantOf(auth.Policy{Tokens: newTokenFile(t, entry).Tokens}, auth.CredentialOf(token, nil))
		require.NoError(t, err)
		stores, err := g.Readable(x.asked)
		if x.forbidden {
			require.ErrorIs(t, err, backend.ErrForbidden)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, x.want, stores, "%q of %q", x.asked, x.granted)
	}
}

// TestOwnStores: Igniter's own stores are for administrators who may write them, whether their tokens name them or not.
func TestOwnStores(t *testing.T) {
	for _, x := range []struct {
		write []string
		admin bool
		own   bool
	}{
		{[]string{"*"}, false, false}, {[]string{"*"}, true, true}, {[]string{"tasks"}, true, false}, {nil, true, false},
		{[]string{"*", "igniter.rules"}, false, false}, {[]string{"igniter.rules"}, false, false}, {[]string{"igniter.rules"}, true, true},
	} {
		token, entry := newToken("t", nil, x.write, x.admin)
		g, err := grantOf(auth.Policy{Tokens: newTokenFile(t, entry).Tokens}, auth.CredentialOf(token, nil))
		require.NoError(t, err)
		require.Equal(t, x.own, g.MayWrite("igniter.rules") == nil, "%+v", x)
		require.Equal(t, x.own && x.write[0] == "*", g.MayWrite("igniter.compactions") == nil, "%+v", x)
	}
	g, err := grantOf(auth.Policy{}, auth.Credential{})
	require.NoError(t, err)
	require.NoError(t, g.MayWrite("igniter.rules"), "where everybody may do everything")
}

// TestSession: a session follows reloads of the tokens, and keeps the last valid ones.
func TestSession(t *testing.T) {
	token, entry := newToken("t", []string{"a"}, []string{"a"}, false)
	file := newTokenFile(t, entry)
	p := auth.Policy{Tokens: file.Tokens}
	s := p.Session(auth.Credential{})
	require.ErrorIs(t, s.Err, backend.ErrUnauthenticated)
	require.ErrorIs(t, s.Grant.MayWrite("a"), backend.ErrForbidden)
	s.Show(token)
	require.NoError(t, s.Err)
	require.NoError(t, s.Grant.MayWrite("a"))
	require.ErrorIs(t, s.Grant.MayWrite("b"), backend.ErrForbidden)
	s.Show("")
	require.NoError(t, s.Err, "the token stays")
	require.False(t, s.Refresh())

	require.NoError(t, os.WriteFile(file.path, []byte("nonsense"), 0o600))
	require.Error(t, file.Reload())
	require.False(t, s.Refresh())
	require.NoError(t, s.Grant.MayWrite("a"))

	entry.Write = []string{"b"}
	file.reload(entry)
	require.NoError(t, s.Grant.MayWrite("a"), "until it is refreshed")
	require.True(t, s.Refresh())
	require.ErrorIs(t, s.Grant.MayWrite("a"), backend.ErrForbidden)
	require.NoError(t, s.Grant.MayWrite("b"))
	require.False(t, s.Refresh())

	file.reload([]auth.TokenEntry{}...)
	file.reload(entry)
	require.True(t, s.Refresh(), "also if the file is as it was")
	require.NoError(t, s.Err)

	open := auth.Policy{}.Session(auth.Credential{})
	require.False(t, open.Refresh())
	require.NoError(t, open.Err)
}

// TestReading: a loop over the log learns that its client may read other stores than before, or none.
func TestReading(t *testing.T) {
	token, entry := newToken("t", []string{"b", "a", "b"}, nil, false)
	for name, x := range map[string]struct {
		asked, reads []string // from the beginning
		granted      []string // after the reload; nil: the token is gone
		want         []string // read after the reload
		err          error    // nil: nothing has changed
	}{
		"all, as before":       {nil, []string{"a", "b"}, []string{"a", "b"}, []string{"a", "b"}, nil},
		"all, in other order":  {nil, []string{"a", "b"}, []string{"b", "b", "a"}, []string{"a", "b"}, nil},
		"all, more":            {nil, []string{"a", "b"}, []string{"a", "b", "c"}, []string{"a", "b", "c"}, backend.ErrAccessChanged},
		"all, less":            {nil, []string{"a", "b"}, []string{"a"}, []string{"a"}, backend.ErrAccessChanged},
		"all, everything":      {nil, []string{"a", "b"}, []string{"*"}, nil, backend.ErrAccessChanged},
		"all, nothing":         {nil, []string{"a", "b"}, []string{}, []string{}, backend.ErrAccessChanged},
		"all, token gone":      {nil, []string{"a", "b"}, nil, []string{"a", "b"}, backend.ErrUnauthenticated},
		"one, more":            {[]string{"a"}, []string{"a"}, []string{"*"}, []string{"a"}, nil},
		"one, without another": {[]string{"a"}, []string{"a"}, []string{"a"}, []string{"a"}, nil},
		"one, without it":      {[]string{"a"}, []string{"a"}, []string{"b"}, []string{}, backend.ErrForbidden},
		"none, less":           {[]string{}, []string{}, []string{"a"}, []string{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			file := newTokenFile(t, entry)
			s := auth.Policy{Tokens: file.Tokens}.Session(auth.CredentialOf(token, nil))
			r, err := s.Read(x.asked)
			require.NoError(t, err)
			require.Equal(t, x.reads, r.Stores)
			require.NoError(t, r.Refresh())
			if x.granted == nil {
				file.reload([]auth.TokenEntry{}...)
			} else {
				next := entry
				next.Read = x.granted
				file.reload(next)
			}
			err = r.Refresh()
			require.Equal(t, x.want, r.Stores)
			if x.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, x.err)
			if x.err == backend.ErrForbidden {
				require.ErrorIs(t, err, backend.ErrAccessChanged, "other loops may go on")
			} else {
				require.NotErrorIs(t, err, backend.ErrForbidden)
			}
		})
	}
	file := newTokenFile(t, auth.TokenEntry{Name: "t", SHA256: entry.SHA256})
	nothing := auth.Policy{Tokens: file.Tokens}.Session(auth.CredentialOf(token, nil))
	all, err := nothing.Read(nil)
	require.NoError(t, err)
	require.Equal(t, []string{}, all.Stores)
	file.reload(auth.TokenEntry{Name: "t", SHA256: entry.SHA256, Read: []string{"*"}})
	require.ErrorIs(t, all.Refresh(), backend.ErrAccessChanged, "no stores and all stores differ")
	require.Nil(t, all.Stores)

	s := auth.Policy{Certificates: true}.Session(auth.Credential{})
	_, err = s.Read([]string{"a"})
	require.ErrorIs(t, err, backend.ErrForbidden)
	r, err := s.Read(nil)
	require.NoError(t, err)
	require.Equal(t, []string{}, r.Stores, "nothing, not all")
}
