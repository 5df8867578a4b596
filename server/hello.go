// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// serverName is the name that a server tells clients.
const serverName = "igniter-go/0.1"

// hello answers the request that begins version 2.
func (c *conn) hello(r *protocol.Request) error {
	version, err := r.Protocol()
	if err != nil {
		return err
	}
	if version < protocol.Version {
		return &backend.InvalidError{Field: "protocol", Reason: fmt.Sprintf("%d: this server speaks %d, and 1 without hello", version, protocol.Version)}
	}
	token, err := r.Token()
	if err != nil {
		return err
	}
	if c.client.Show(token); c.client.Err != nil && token != "" {
		c.ending = true // a client that guesses tokens must reconnect for each guess
		c.log("a login was refused", c.client.Err)
		return c.client.Err
	}
	if c.client.Err == nil {
		if err := c.letIn(); err != nil {
			c.ending = true
			return err
		}
	}
	reply := protocol.HelloReply{Protocol: protocol.Version, Server: serverName, MaxFrame: c.server.opts.MaxFrame, Features: c.features()}
	if c.client.Err == nil {
		stats, err := c.server.Stats(c.server.ctx)
		if err != nil { // without the identity, the client could not tell that the log has changed
			return fmt.Errorf("%w: the log can't tell its identity: %w", backend.ErrUnavailable, err)
		}
		reply.LastSeq, reply.Log, reply.Ancestors = &stats.LastSeq, stats.Log, stats.Ancestors
	}
	c.version, c.told = protocol.Version, reply.Features.Stores
	c.answer(func(dst []byte) []byte { return protocol.AppendHelloReply(dst, reply, r.ID) })
	return nil
}

// features returns the features of the log for the connection's client.
func (c *conn) features() protocol.Features {
	if c.client.Err != nil {
		return protocol.Features{Stores: []string{}}
	}
	f := c.server.log.Features()
	if stores, _ := c.client.Grant.Readable(nil); stores != nil {
		served := backend.Range{Stores: f.Stores}
		f.Stores = slices.DeleteFunc(slices.Clone(stores), func(name string) bool { return !served.Has(name) })
	}
	return protocol.Features(f)
}
