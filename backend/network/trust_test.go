// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// TestTokenWithoutTLS: a token is sent to another machine only over TLS, unless the caller says otherwise.
func TestTokenWithoutTLS(t *testing.T) {
	for _, address := range []string{"192.0.2.1:7400", "log.example:7400", "localhost.example:7400", "[2001:db8::1]:7400", "0.0.0.0:7400"} {
		_, err := network.Dial(t.Context(), network.Options{Address: address, Token: "secret"})
		require.ErrorIs(t, err, backend.ErrInvalid, address)
		require.NotContains(t, err.Error(), "secret")
		_, err = backend.Open(t.Context(), "network", backend.Config{Address: address, Token: "secret"})
		require.ErrorIs(t, err, backend.ErrInvalid, address)
	}
	for _, address := range []string{"127.0.0.1:1", "localhost:1", "127.7.7.7:1", "[::1]:1", "/nowhere/socket"} {
		_, err := network.Dial(t.Context(), network.Options{Address: address, Token: "secret"})
		require.ErrorIs(t, err, backend.ErrUnavailable, address)
	}
	_, err := backend.Open(t.Context(), "network", backend.Config{Address: "127.0.0.1:1", Token: "x", Settings: map[string]any{"insecure_token": "yes"}})
	require.ErrorIs(t, err, backend.ErrInvalid)
}

// TestAnswerAboutAnotherFact: the client rejects an answer about another fact than the written one.
func TestAnswerAboutAnotherFact(t *testing.T) {
	written := backend.Fact{ID: "a", Store: "s", Key: "k", Value: []byte(`{"n":1}`)}
	good := written.Clone()
	good.Seq, good.SchemaVersion, good.TransactionTime, good.Value = 7, 1, time.Unix(1, 0), []byte(`{ "n" : 1 }`)
	good.ValueHash, _ = wire.Hash(written.Value)
	for name, change := range map[string]func(f *backend.Fact){
		"":      func(*backend.Fact) {},
		"id":    func(f *backend.Fact) { f.ID = "b" },
		"store": func(f *backend.Fact) { f.Store = "t" },
		"key":   func(f *backend.Fact) { f.Key = "l" },
		"hash":  func(f *backend.Fact) { f.ValueHash = "0" },
		"value": func(f *backend.Fact) { f.Value = []byte(`{"n":2}`) },
		"json":  func(f *backend.Fact) { f.Producer = []byte(`{`) },
		"seq":   func(f *backend.Fact) { f.Seq = 8 },
	} {
		for _, batch := range []bool{false, true} {
			f := good.Clone()
			change(&f)
			ack := protocol.AckOf(&f, true)
			ack.Seq = 7
			answer := protocol.AppendWritten(nil, ack, nil)
			if batch {
				answer = protocol.AppendWrittenBatch(nil, []protocol.Ack{ack, ack}, nil)
			}
			c, err := network.Dial(t.Context(), network.Options{Address: answeringAll(t, answer)})
			require.NoError(t, err)
			var got []backend.Fact
			if batch {
				w := c.Write(t.Context(), backend.Batch{Facts: []backend.Fact{written, written}})[0]
				got, err = w.Facts, w.Err
			} else {
				var one backend.Fact
				one, err = c.WriteFact(t.Context(), written)
				got = []backend.Fact{one}
			}
			require.NoError(t, c.Close())
			if name == "" {
				require.NoError(t, err)
				require.Equal(t, string(good.Value), string(got[0].Value))
			} else {
				require.Error(t, err, name)
				require.NotErrorIs(t, err, backend.ErrUnavailable, name)
			}
		}
	}
}

// answeringAll returns the address of a server that says hello and answers each request in the same way.
func answeringAll(t *testing.T, answer []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		in := wire.NewReader(nc, 0)
		last := uint64(9)
		say := protocol.AppendHelloReply(nil, protocol.HelloReply{Protocol: protocol.Version, Server: "test", LastSeq: &last, MaxFrame: 1 << 20, Features: protocol.Features{Batches: true}}, nil)
		for {
			if _, err := in.Next(); err != nil {
				return
			}
			if _, err := nc.Write(wire.AppendFrame(nil, say)); err != nil {
				return
			}
			say = answer
		}
	}()
	return l.Addr().String()
}
