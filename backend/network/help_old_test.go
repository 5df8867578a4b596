// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// An oldServer is a server behind a proxy that answers hello as a server of the Ruby system does, and passes everything
// else on, in version 1.
type oldServer struct {
	*proxy

	mu    sync.Mutex
	hello bool                // it knows hello, like a new server
	sent  map[string][][]byte // bodies of requests, by op
}

func startOld(t testing.TB, target string) *oldServer {
	o := &oldServer{proxy: startProxy(t, target), sent: map[string][][]byte{}}
	o.rules(nil)
	return o
}

// rules sets what happens to frames other than hello.
func (o *oldServer) rules(rule func(passing) action) {
	o.proxy.rules(func(f passing) action {
		o.mu.Lock()
		hello := o.hello
		if f.up {
			o.sent[f.op] = append(o.sent[f.op], slices.Clone(f.body))
		}
		o.mu.Unlock()
		switch {
		case f.op == protocol.OpHello && f.up && !hello:
			return action{instead: protocol.AppendUnknownOp(nil, f.op, nil)}
		case rule != nil:
			return rule(f)
		}
		return action{}
	})
}

// knowsHello sets whether the server knows hello, for later connections.
func (o *oldServer) knowsHello(does bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hello = does
}

// bodies returns the requests of an op that clients have sent.
func (o *oldServer) bodies(op string) [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.sent[op])
}

// recorded returns the bodies that one side of a recorded conversation has sent.
func recorded(t testing.TB, name, dir string) (bodies [][]byte) {
	data, err := os.ReadFile("../../internal/protocol/testdata/" + name + ".json")
	require.NoError(t, err)
	var conversation struct{ Turns []struct{ Dir, Hex string } }
	require.NoError(t, json.Unmarshal(data, &conversation))
	for _, turn := range conversation.Turns {
		if turn.Dir != dir {
			continue
		}
		stream, err := hex.DecodeString(turn.Hex)
		require.NoError(t, err)
		for len(stream) > 0 {
			var body []byte
			body, stream, _ = wire.CutFrame(stream)
			require.NotEmpty(t, body)
			bodies = append(bodies, body)
		}
	}
	return bodies
}
