// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// hostile NAME TEXT starts a server that answers with an error whose text is TEXT, in which \e, \c and \b are the characters that
// terminals mind (ESC, CSI and RLO), and sets a variable to its address.
func hostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hostile NAME TEXT")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
	text := strings.NewReplacer(`\e`, "\x1b", `\r`, "\r", `\n`, "\n", `\c`, "\u009b", `\b`, "\u202e").Replace(args[1])
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				length := make([]byte, 4)
				if _, err := io.ReadFull(nc, length); err != nil {
					return
				}
				if _, err := io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(length))+4); err != nil {
					return
				}
				answer := protocol.AppendError(wire.OpenFrame(nil), fmt.Errorf("%s: %w", text, backend.ErrForbidden), nil)
				_, _ = nc.Write(wire.CloseFrame(answer, 0))
				_, _ = io.Copy(io.Discard, nc) // until the client has read it
			}()
		}
	}()
}
