// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"net"
)

// DialBy returns options of a client whose connections dial makes.
func (o Options) DialBy(dial func(ctx context.Context, network, address string) (net.Conn, error)) Options {
	o.dial = dial
	return o
}
