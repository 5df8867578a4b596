// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
)

// FuzzConnection sends bytes to a server, before hello or after it, as a client that may read and write one store. The
// server answers, and closes the connection when the bytes end. It shows and changes nothing of another store. The size of
// its answers is bounded by the size of the requests and of the log.
func FuzzConnection(f *testing.F) {
	hello := string(protocol.AppendHello(nil, "fuzz", "tasks"))
	for _, seed := range [][]string{
		{`{"op":"ping"}`, `{"op":"stats"}`}, {hello, `{"op":"replay","after":0}`}, {hello, `{"op":"subscribe","after":0,"stores":["tasks"]}`, `{"op":"close"}`},
		{hello, writeJSON("tasks", "a"), writeJSON("tasks", "a"), writeJSON("secret", "b")}, {hello, `{"op":"write_fact","fact":{"id":"s1","store":"tasks","key":"k","value":null}}`},
		{hello, `{"op":"write_batch","facts":[` + factJSON("tasks", "x") + `],"expect":[{"store":"tasks","key":"k-x","id":""}]}`},
		{hello, `{"op":"write_batch","facts":[],"expect":[{"store":"tasks","Store":"secret","key":"k-s1","id":"x"},{}]}`}, {hello, `{"op":"prune","seqs":[[1,1],[0,18446744073709551615]]}`},
		{hello, `{"op":"replay","stores":["tasks","secret"]}`}, {hello, hello, `{"op":"server_status"}`, `{"op":"write_snapshot"}`}, {hello, `{}`, `[]`, `{"op":7}`},
		{`{"op":"hello","protocol":2,"token":"wrong"}`, `{"op":"ping"}`}, {`{"op":"hello","protocol":1}`}, {hello, `{"op":"write_fact","fact":{"id":"d","store":"tasks","store":"secret","key":"k","value":1}}`},
	} {
		f.Add(framesOf(seed...), true)
		f.Add(framesOf(seed[len(seed)-1]), false)
	}
	for _, bytes := range damage(16 << 10) {
		f.Add(bytes, false)
		f.Add(append(framesOf(hello), bytes...), true)
	}
	file := newTokenFile(f, tasks)
	f.Fuzz(func(t *testing.T, sent []byte, said bool) {
		log := memory.New(memory.Options{})
		l := newPipeListener()
		s := serveOn(t, l, log, server.Options{Tokens: file.Tokens, MaxFrame: 1 << 20, WriteTimeout: time.Second})
		s.write(fact("secret", "s1"), backend.Fact{ID: "s2", Store: "secret", Key: "k", Value: []byte(`"hidden"`)})
		if said && !bytes.HasPrefix(sent, framesOf(hello)) {
			sent = append(framesOf(hello), sent...)
		}
		c := &sentConn{in: bytes.NewReader(sent), closed: make(chan struct{})}
		l.conns <- c
		<-c.closed
		s.stop()
		text := c.out.Bytes()
		require.NotContains(t, string(text), "hidden")
		require.NotContains(t, string(text), `{"of":"s1"}`)
		require.Less(t, len(text), 64<<10+64*len(sent))
		for _, f := range s.facts() {
			require.True(t, f.Store != "secret" || strings.HasPrefix(f.ID, "s"), "%+v", f)
		}
		require.NoError(t, log.Close())
	})
}

// A sentConn is the server's end of a connection on which the client has already sent all its bytes. It keeps the answers.
type sentConn struct {
	net.Conn // nil: no other method is called
	in       *bytes.Reader
	once     sync.Once
	closed   chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

func (c *sentConn) Read(b []byte) (int, error) { return c.in.Read(b) }

func (c *sentConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(b)
}

func (c *sentConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *sentConn) RemoteAddr() net.Addr             { return pipeAddr{} }
func (c *sentConn) SetDeadline(time.Time) error      { return nil }
func (c *sentConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sentConn) SetWriteDeadline(time.Time) error { return nil }
