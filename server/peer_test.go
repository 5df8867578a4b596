// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang limits the wait for a condition that must become true.
const hang = time.Minute

// A served log is a log with a server of it.
type served struct {
	*server.Server
	t       testing.TB
	log     backend.Log
	network string
	address string
	done    chan error // of Serve
}

// serve serves a log on a free address of a network until the test ends.
func serve(t testing.TB, network string, log backend.Backend, opts server.Options) *served {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(shortDir(t), "s")
	}
	l, err := server.Listen(network, address)
	require.NoError(t, err)
	return serveOn(t, l, log, opts)
}

func serveOn(t testing.TB, l net.Listener, log backend.Backend, opts server.Options) *served {
	whole := backend.Complete(log)
	s := &served{Server: server.New(whole, opts), t: t, log: whole, done: make(chan error, 1),
		network: l.Addr().Network(), address: l.Addr().String()}
	go func() { s.done <- s.Serve(l) }()
	t.Cleanup(s.stop)
	return s
}

// serveMemory serves an empty log in memory over TCP.
func serveMemory(t testing.TB, opts server.Options) *served {
	t.Helper()
	log := memory.New(memory.Options{})
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	return serve(t, "tcp", log, opts)
}

// stop closes the server, and checks that nothing of it is left.
func (s *served) stop() {
	require.NoError(s.t, s.Close())
	if s.done != nil {
		require.NoError(s.t, <-s.done)
		s.done = nil
	}
	require.Equal(s.t, server.Stopped, s.Status())
	m := s.Metrics()
	require.Zero(s.t, m.Connections)
	require.Equal(s.t, m.Accepted, m.Closed)
}

// write writes facts to the log itself.
func (s *served) write(facts ...backend.Fact) {
	for _, f := range facts {
		_, err := s.log.WriteFact(context.Background(), f)
		require.NoError(s.t, err)
	}
}

// writeBatch writes a batch to the log itself.
func (s *served) writeBatch(facts ...backend.Fact) {
	require.NoError(s.t, s.log.Write(context.Background(), backend.Batch{Facts: facts})[0].Err)
}

// facts returns what the log holds.
func (s *served) facts() []backend.Fact {
	var facts []backend.Fact
	for f, err := range backend.Facts(s.log.Replay(context.Background(), backend.Range{})) {
		require.NoError(s.t, err)
		facts = append(facts, f)
	}
	return facts
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, hang, time.Millisecond, what)
}

// shortDir returns a temporary directory whose path is short enough for a Unix socket.
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "ign")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// A peer is a client's end of a connection. It sends and reads frames, and does not interpret them.
type peer struct {
	net.Conn
	t  testing.TB
	in *wire.Reader
}

func newPeer(t testing.TB, nc net.Conn) *peer {
	t.Cleanup(func() { _ = nc.Close() })
	return &peer{Conn: nc, t: t, in: wire.NewReader(nc, wire.MaxMaxFrame)}
}

// dial connects to the server, which then speaks version 1.
func (s *served) dial() *peer {
	s.t.Helper()
	nc, err := net.Dial(s.network, s.address)
	require.NoError(s.t, err)
	require.NoError(s.t, nc.SetDeadline(time.Now().Add(hang)))
	return newPeer(s.t, nc)
}

// dial2 connects to the server and says hello.
func (s *served) dial2() *peer {
	s.t.Helper()
	p := s.dial()
	p.hello("")
	return p
}

// framesOf returns the frames of bodies.
func framesOf(bodies ...string) []byte {
	var frames []byte
	for _, body := range bodies {
		frames = wire.AppendFrame(frames, []byte(body))
	}
	return frames
}

// unnamed returns an answer without the log's name, which differs from log to log.
func unnamed(answer string) string { return logName.ReplaceAllString(answer, "") }

var logName = regexp.MustCompile(`,"log":"[0-9a-f-]{36}"`)

func (p *peer) sendBytes(b []byte) {
	p.t.Helper()
	_, err := p.Write(b)
	require.NoError(p.t, err)
}

// send sends the frames of bodies with one write.
func (p *peer) send(bodies ...string) {
	p.t.Helper()
	p.sendBytes(framesOf(bodies...))
}

// next reads a frame's body.
func (p *peer) next() string {
	p.t.Helper()
	body, err := p.in.Next()
	require.NoError(p.t, err)
	return string(body)
}

// ask sends a request and reads the answer.
func (p *peer) ask(format string, args ...any) string {
	p.t.Helper()
	p.send(fmt.Sprintf(format, args...))
	return p.next()
}

// requireEnd requires that the server sends nothing more and closes, and does so too.
func (p *peer) requireEnd() {
	p.t.Helper()
	body, err := p.in.Next()
	require.Equal(p.t, io.EOF, err, "%s", body)
	require.NoError(p.t, p.Close())
}

// requireGone requires that the server has closed the connection, whatever it sent before.
func (p *peer) requireGone() {
	p.t.Helper()
	for {
		if _, err := p.in.Next(); err != nil {
			require.NotErrorIs(p.t, err, os.ErrDeadlineExceeded)
			return
		}
	}
}

// hello begins version 2, and returns the answer.
func (p *peer) hello(token string) protocol.HelloReply {
	p.t.Helper()
	var w protocol.HelloReply
	p.send(string(protocol.AppendHello(nil, "test", token)))
	require.NoError(p.t, protocol.ParseAnswer([]byte(p.next()), &w))
	return w
}

// An answer has the fields of answers and control frames.
type answer struct {
	OK        bool
	Code      string `json:"error_code"`
	Error     string
	Seq       uint64
	LastSeq   uint64 `json:"last_seq"`
	Duplicate bool
	Causation string
	Stream    bool
	End       bool
	Event     string
	Latest    string
	RequestID json.RawMessage `json:"request_id"`
	Facts     json.RawMessage
	Pruned    uint64
	Missing   uint64
	Through   uint64
}

// answerOf parses an answer.
func answerOf(t testing.TB, body string) (a answer) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &a), "%s", body)
	return a
}

// seqOfFirst returns the seq of the first fact of a written batch.
func (a answer) seqOfFirst(t testing.TB) uint64 {
	var facts []struct{ Seq uint64 }
	require.NoError(t, json.Unmarshal(a.Facts, &facts))
	return facts[0].Seq
}

// call sends a request and reads the answer, parsed.
func (p *peer) call(format string, args ...any) answer {
	p.t.Helper()
	return answerOf(p.t, p.ask(format, args...))
}

// requireOK requires that a request succeeds.
func (p *peer) requireOK(format string, args ...any) answer {
	p.t.Helper()
	body := p.ask(format, args...)
	a := answerOf(p.t, body)
	require.True(p.t, a.OK, "%s", body)
	return a
}

// requireCode requires that a request fails with a code.
func (p *peer) requireCode(code, format string, args ...any) answer {
	p.t.Helper()
	body := p.ask(format, args...)
	a := answerOf(p.t, body)
	require.False(p.t, a.OK, "%s", body)
	require.Equal(p.t, code, a.Code, "%s", body)
	require.NotEmpty(p.t, a.Error)
	return a
}

// requireAlive requires that the connection answers the next request, and has no other answers left.
func (p *peer) requireAlive() {
	p.t.Helper()
	require.Equal(p.t, `{"ok":true,"pong":true}`, p.ask(`{"op":"ping"}`))
}

// nextFacts reads a frame of facts or a control frame.
func (p *peer) nextFacts() ([]backend.Fact, *answer) {
	p.t.Helper()
	body := p.next()
	if protocol.IsControl([]byte(body)) {
		a := answerOf(p.t, body)
		return nil, &a
	}
	facts, err := wire.ParseGroup(nil, []byte(body))
	require.NoError(p.t, err)
	return facts, nil
}

// after returns the range after a seq, of the given stores; without stores, of all.
func after(seq uint64, stores ...string) backend.Range {
	return backend.Range{After: backend.Cursor{Seq: seq}, Stores: stores}
}

// replay reads a part of the log, and returns its facts and the control frame that ended the stream.
func (p *peer) replay(r backend.Range) (facts []backend.Fact, end answer) {
	p.t.Helper()
	p.send(string(protocol.AppendReplay(nil, r)))
	require.True(p.t, answerOf(p.t, p.next()).Stream)
	return p.toEnd()
}

// toEnd reads a stream to its end, and returns its facts and the control frame that ended it.
func (p *peer) toEnd() (facts []backend.Fact, end answer) {
	p.t.Helper()
	for {
		some, control := p.nextFacts()
		if facts = append(facts, some...); control != nil && control.Event == "" {
			require.True(p.t, control.End, "%+v", control)
			return facts, *control
		}
	}
}

// fact returns a fact of a store, with a key and value for its ID.
func fact(store, id string) backend.Fact {
	return backend.Fact{ID: id, Store: store, Key: "k-" + id, Value: []byte(`{"of":"` + id + `"}`)}
}

// factJSON returns such a fact as a client writes it.
func factJSON(store, id string) string {
	return fmt.Sprintf(`{"id":%q,"store":%q,"key":%q,"value":{"of":%q}}`, id, store, "k-"+id, id)
}

// writeJSON returns a request to write such a fact.
func writeJSON(store, id string) string {
	return `{"op":"write_fact","fact":` + factJSON(store, id) + `}`
}
