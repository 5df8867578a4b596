// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// certificateFiles are a certificate and its key on disk.
type certificateFiles struct {
	t         testing.TB
	cert, key string
	written   time.Time
}

// put rewrites both files, with modification times that were not used before.
func (f *certificateFiles) put(cert, key []byte) {
	if f.written.IsZero() {
		f.written = time.Now()
	}
	f.written = f.written.Add(time.Second)
	for path, text := range map[string][]byte{f.cert: cert, f.key: key} {
		require.NoError(f.t, os.WriteFile(path, text, 0o600))
		require.NoError(f.t, os.Chtimes(path, f.written, f.written))
	}
}

// TestCertificateReload serves with a certificate that changes on disk: new connections get the new certificate, and open
// ones go on. If files are missing or do not match, the old certificate stays in use.
func TestCertificateReload(t *testing.T) {
	a := servertest.NewAuthority(t)
	dir := t.TempDir()
	files := &certificateFiles{t: t, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	_, err := auth.LoadCertificate(files.cert, files.key, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	cert1, key1 := a.Issue(t, "one")
	cert2, key2 := a.Issue(t, "two")
	files.put(cert1, key2)
	_, err = auth.LoadCertificate(files.cert, files.key, nil)
	require.ErrorContains(t, err, files.cert)
	files.put(cert1, key1)
	core, logs := observer.New(zap.InfoLevel)
	c, err := auth.LoadCertificate(files.cert, files.key, zap.New(core))
	require.NoError(t, err)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{TLS: &tls.Config{GetCertificate: c.Get}})
	seen := func() (string, *peer) {
		p := s.dialTLS(&tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1"})
		p.requireAlive()
		return p.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName, p
	}
	name, open := seen()
	require.Equal(t, "one", name)
	for _, broken := range [][2][]byte{{cert2, key1}, {cert1, key2}, {[]byte("nonsense"), key2}, {nil, nil}} {
		files.put(broken[0], broken[1])
		name, _ = seen()
		require.Equal(t, "one", name)
	}
	require.NotZero(t, logs.FilterMessageSnippet("can't be read").Len())
	files.put(cert2, key2)
	name, _ = seen()
	require.Equal(t, "two", name)
	require.Equal(t, 1, logs.FilterMessageSnippet("reloaded the certificate").Len())
	require.NoError(t, os.Remove(files.key))
	name, _ = seen()
	require.Equal(t, "two", name)
	open.requireAlive()
}

// TestTLS: a server with TLS accepts only TLS 1.2 and later.
func TestTLS(t *testing.T) {
	serverTLS, clientTLS := tlsPair(t)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{TLS: serverTLS})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := clientTLS.Clone()
		config.MaxVersion = version
		p := s.dialTLS(config)
		p.hello("")
		p.requireOK(`{"op":"subscribe"}`)
		p.send(`{"op":"close"}`)
		p.requireEnd()
		p = s.dialTLS(config)
		p.sendBytes(append(framesOf(`{"op":"ping"}`), header(0)...))
		p.next()
		require.Equal(t, "invalid_request", answerOf(t, p.next()).Code)
		p.requireEnd()
	}
	old := clientTLS.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	_, err := s.dialTLS(old).Write([]byte("x"))
	require.Error(t, err)
	plain := s.dial()
	plain.send(`{"op":"ping"}`)
	plain.requireGone()
	_, err = s.dialTLS(&tls.Config{ServerName: "127.0.0.1"}).Write([]byte("x"))
	require.Error(t, err, "a server that the client does not trust")
}

// TestClientCertificates lets in clients with a certificate of the right authority; if there are tokens too, the entry
// with the certificate's name is the grant.
func TestClientCertificates(t *testing.T) {
	a, stranger := servertest.NewAuthority(t), servertest.NewAuthority(t)
	config := func(auth tls.ClientAuthType) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{a.Certificate(t, "server")}, ClientAuth: auth, ClientCAs: a.Pool()}
	}
	client := func(certs ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1", Certificates: certs}
	}
	// refused checks that a client is not let in: its reads fail.
	refused := func(p *peer) {
		_, _ = p.Write(framesOf(`{"op":"ping"}`))
		_, err := p.in.Next()
		require.Error(t, err)
	}

	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{TLS: config(tls.RequireAndVerifyClientCert)})
	p := s.dialTLS(client(a.Certificate(t, "anybody")))
	for _, op := range []string{"write_fact", "stats", "server_status", "write_snapshot", "replay"} {
		p.requireOK("%s", everyOp[op])
	}
	refused(s.dialTLS(client()))
	refused(s.dialTLS(client(stranger.Certificate(t, "anybody"))))

	s = serve(t, "tcp", memory.New(memory.Options{}), server.Options{TLS: config(tls.RequireAndVerifyClientCert), StampProducer: true})
	p = s.dialTLS(client(a.Certificate(t, "anybody")))
	p.requireOK("%s", writeJSON("tasks", "v1")) // facts of version 1 are stamped, too
	p.requireForbidden(`{"op":"write_fact","fact":{"id":"x","store":"tasks","key":"k","by":"somebody","value":1}}`)
	require.Equal(t, []string{"anybody"}, bys(s.facts()))

	file := newTokenFile(t, admin, tasks)
	s = serve(t, "tcp", memory.New(memory.Options{}), server.Options{TLS: config(tls.VerifyClientCertIfGiven), Tokens: file.Tokens})
	s.write(fact("tasks", "a"), fact("secret", "b"))
	p = s.dialTLS(client(a.Certificate(t, "tasks"))) // version 1 has no tokens: the certificate stands for one
	p.requireOK("%s", writeJSON("notes", "c"))
	p.requireForbidden("%s", writeJSON("secret", "x"))
	body := p.ask(`{"op":"replay"}`)
	require.Contains(t, body, `"id":"a"`)
	require.NotContains(t, body, "secret")
	p.hello("")
	p.requireForbidden(`{"op":"server_status"}`)
	p.requireCode("unauthenticated", `{"op":"hello","protocol":2,"token":"wrong"}`) // a shown token must be valid
	p.requireEnd()
	p = s.dialTLS(client(a.Certificate(t, "tasks")))
	p.hello("admin")
	p.requireOK(`{"op":"server_status"}`)
	file.reload(admin)
	p = s.dialTLS(client(a.Certificate(t, "tasks")))
	p.requireCode("unauthenticated", "%s", writeJSON("notes", "x"))
	p = s.dialTLS(client())
	p.requireCode("unauthenticated", "%s", writeJSON("notes", "x"))
	p.hello("admin")
	p.requireOK("%s", writeJSON("notes", "d"))
	refused(s.dialTLS(client(stranger.Certificate(t, "admin"))))
}

// TestReloadInVersion1: version 1 has no message for a change of stores. A subscription goes on with the new stores, and
// ends only when the client may no longer read a store that it named, or any store.
func TestReloadInVersion1(t *testing.T) {
	a := servertest.NewAuthority(t)
	file := newTokenFile(t, tasks)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, Heartbeat: 10 * time.Millisecond, TLS: &tls.Config{
		Certificates: []tls.Certificate{a.Certificate(t, "server")}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: a.Pool()}})
	subscribe := func(stores string) *peer {
		p := s.dialTLS(&tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.Certificate(t, "tasks")}})
		require.Equal(t, `{"ok":true}`, p.ask(`{"op":"subscribe","stores":%s}`, stores))
		return p
	}
	all, named := subscribe(`[]`), subscribe(`["tasks"]`)
	s.write(fact("notes", "n1"), fact("tasks", "t1"))
	for _, p := range []*peer{all, named} {
		require.Contains(t, p.next(), `"id":"t1"`)
	}
	file.reload(entry("tasks", []string{"notes"}, nil, false))
	s.write(fact("tasks", "t2"), fact("notes", "n2"))
	require.Contains(t, all.next(), `"id":"n2"`)
	named.requireEnd()
	file.reload(admin)
	s.write(fact("notes", "n3"))
	all.requireEnd()
	eventually(t, "each end is counted", func() bool {
		errs := s.Metrics().Errors
		return errs["access_changed"] == 1 && errs["unauthenticated"] == 1
	})
}

// TestSlowHandshake: the server ends connections that do not finish the handshake in time.
func TestSlowHandshake(t *testing.T) {
	serverTLS, _ := tlsPair(t)
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, server.Options{TLS: serverTLS, FrameTimeout: 30 * time.Second}, nil)
		p := l.dial(t)
		p.sendBytes([]byte{0x16})
		start := time.Now()
		p.requireEnd()
		require.Equal(t, 30*time.Second, time.Since(start))
		synctest.Wait()
		require.Zero(t, s.Metrics().Connections)
	})
}
