package network

import (
	"context"
	"net"
	"sync"
)

// DialBy returns options of a client whose connections dial makes.
func (o Options) DialBy(dial func(ctx context.Context, network, address string) (net.Conn, error)) Options {
	o.dial = dial
	return o
}

// ForgetCalls lets go of calls that are kept to be used again: their channels are of the test that made them.
// Nothing else may be going on.
func ForgetCalls() { calls = sync.Pool{New: calls.New} }
