// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/servertest"
)

// written writes a file in a new directory of the test, and returns its path.
func written(t testing.TB, name string, text []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// user makes an nkey of a user, and returns its public key and a file with its seed.
func user(t testing.TB) (public, seedFile string, key nkeys.KeyPair) {
	key, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err = key.PublicKey()
	require.NoError(t, err)
	seed, err := key.Seed()
	require.NoError(t, err)
	return public, written(t, "user.nk", seed), key
}

// config opens by name, as a configuration file does.
func config(url string, settings map[string]any) backend.Config {
	all := map[string]any{"log": "secured", "replicas": 1}
	for name, v := range settings {
		all[name] = v
	}
	return backend.Config{Address: url, Settings: all}
}

// works fails the test unless a log can be opened, written and read.
func works(t *testing.T, c backend.Config) {
	t.Helper()
	l, err := backend.Open(t.Context(), "jetstream", c)
	require.NoError(t, err)
	defer l.Close()
	put(t, l, "a")
	facts, err := replay(t, l)
	require.NoError(t, err)
	require.Len(t, facts, 1)
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
}

func refuses(t *testing.T, c backend.Config, target error) {
	t.Helper()
	_, err := backend.Open(t.Context(), "jetstream", c)
	require.ErrorIs(t, err, target)
}

// TestNKey opens a log at a server that requires an nkey. If the user may not publish, the error names the missing right.
func TestNKey(t *testing.T) {
	t.Parallel()
	public, seed, _ := user(t)
	_, stranger, _ := user(t)
	reader, readerSeed, _ := user(t)
	s := startServer(t, t.TempDir(), func(o *server.Options) {
		o.Nkeys = []*server.NkeyUser{
			{Nkey: public, Permissions: &server.Permissions{ // the permissions in docs/backends.md
				Publish:   &server.SubjectPermission{Allow: []string{"igniter.secured.>", "$JS.API.>", "$KV.IGNITER_secured.>", "$O.IGNITER_secured.>"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>", "igniter.secured.want"}}}},
			{Nkey: reader, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"$JS.API.>"}}}},
		}
	})
	defer stopServer(s)
	works(t, config(s.ClientURL(), map[string]any{"nkey": seed}))
	refuses(t, config(s.ClientURL(), nil), backend.ErrUnauthenticated)
	refuses(t, config(s.ClientURL(), map[string]any{"nkey": stranger}), backend.ErrUnauthenticated)
	refuses(t, config(s.ClientURL(), map[string]any{"nkey": seed + ".none"}), backend.ErrInvalid)
	refuses(t, config(s.ClientURL(), map[string]any{"nkey": readerSeed}), backend.ErrForbidden)
}

// TestCredentials opens a log at a server whose accounts and users have JWTs.
func TestCredentials(t *testing.T) {
	t.Parallel()
	operator, err := nkeys.CreateOperator()
	require.NoError(t, err)
	operatorKey, err := operator.PublicKey()
	require.NoError(t, err)
	account, err := nkeys.CreateAccount()
	require.NoError(t, err)
	accountKey, err := account.PublicKey()
	require.NoError(t, err)
	claims := jwt.NewAccountClaims(accountKey)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	text, err := claims.Encode(operator)
	require.NoError(t, err)
	resolver := &server.MemAccResolver{}
	require.NoError(t, resolver.Store(accountKey, text))
	system, err := nkeys.CreateAccount()
	require.NoError(t, err)
	systemKey, err := system.PublicKey()
	require.NoError(t, err)
	systemText, err := jwt.NewAccountClaims(systemKey).Encode(operator)
	require.NoError(t, err)
	require.NoError(t, resolver.Store(systemKey, systemText))

	s := startServer(t, t.TempDir(), func(o *server.Options) {
		o.TrustedKeys, o.AccountResolver, o.SystemAccount = []string{operatorKey}, resolver, systemKey
	})
	defer stopServer(s)
	credentials := func(expires time.Time) string {
		public, _, key := user(t)
		claims := jwt.NewUserClaims(public)
		if !expires.IsZero() {
			claims.Expires = expires.Unix()
		}
		text, err := claims.Encode(account)
		require.NoError(t, err)
		seed, err := key.Seed()
		require.NoError(t, err)
		decorated, err := jwt.FormatUserConfig(text, seed)
		require.NoError(t, err)
		return written(t, "user.creds", decorated)
	}
	works(t, config(s.ClientURL(), map[string]any{"credentials": credentials(time.Time{})}))
	refuses(t, config(s.ClientURL(), nil), backend.ErrUnauthenticated)
	refuses(t, config(s.ClientURL(), map[string]any{"credentials": credentials(time.Now().Add(-time.Hour))}), backend.ErrUnauthenticated)
}

// TestToken opens a log at a server that requires a token. If the server has another token after a restart, callers get an
// error. When it has the old one again, the log goes on.
func TestToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func(token string, port int) *server.Server {
		return startServer(t, dir, func(o *server.Options) { o.Authorization, o.Port = token, port })
	}
	s := start("right", -1)
	port := s.Addr().(*net.TCPAddr).Port
	c := config(s.ClientURL(), nil)
	refuses(t, c, backend.ErrUnauthenticated)
	c.Token = "wrong"
	refuses(t, c, backend.ErrUnauthenticated)
	c.Token = "right"
	works(t, c)
	l, err := backend.Open(t.Context(), "jetstream", c)
	require.NoError(t, err)
	defer l.Close()
	put(t, l, "b")
	stopServer(s)
	s = start("another", port)
	_, err = l.WriteFact(t.Context(), factOf("c"))
	require.ErrorIs(t, err, backend.ErrUnauthenticated)
	_, err = replay(t, l)
	require.ErrorIs(t, err, backend.ErrUnauthenticated)
	stopServer(s)
	s = start("right", port)
	defer func() { stopServer(s) }()
	require.Eventually(t, func() bool {
		_, err := l.WriteFact(t.Context(), factOf("d"))
		return err == nil
	}, waitFor, 10*time.Millisecond)
	facts, err := replay(t, l)
	require.NoError(t, err)
	require.Equal(t, "d", facts[len(facts)-1].ID)
}

// TestTLS opens a log at a server that shows a certificate of a private authority, and requires one.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := servertest.NewAuthority(t)
	certPEM, keyPEM := authority.Issue(t, "test")
	caFile, certFile, keyFile := written(t, "ca.pem", authority.PEM()), written(t, "cert.pem", certPEM), written(t, "key.pem", keyPEM)
	public, seed, _ := user(t)
	s := startServer(t, t.TempDir(), func(o *server.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{authority.Certificate(t, "test")}, ClientCAs: authority.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
		o.TLS, o.TLSVerify, o.TLSTimeout = true, true, waitFor.Seconds()
		o.Nkeys = []*server.NkeyUser{{Nkey: public}}
	})
	defer stopServer(s)
	url := "nats://" + s.Addr().String()
	c := config(url, map[string]any{"nkey": seed})
	c.TLS = &backend.TLS{CA: caFile, Cert: certFile, Key: keyFile}
	works(t, c)
	c.TLS.ServerName = "localhost"
	works(t, c)
	c.TLS.ServerName = "other.example"
	_, err := backend.Open(t.Context(), "jetstream", c)
	require.ErrorAs(t, err, new(x509.HostnameError))
	c.TLS = &backend.TLS{CA: caFile}
	refuses(t, c, backend.ErrUnavailable)
	c.TLS = nil // the system's authorities
	_, err = backend.Open(t.Context(), "jetstream", c)
	require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
	c.TLS = &backend.TLS{CA: keyFile}
	refuses(t, c, backend.ErrInvalid)
}
