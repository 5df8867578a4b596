// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// systemd SOCKET FILE stands in for systemd: it writes to a file what services send to a socket.
func systemd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: systemd SOCKET FILE")
	}
	nc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unixgram"})
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := nc.Read(buf)
			if err != nil {
				return
			}
			_, _ = f.Write(append(buf[:n:n], '\n')) // a script that waits for it fails
		}
	})
	ts.Defer(func() {
		_ = nc.Close()
		reading.Wait()
		_ = f.Close()
	})
}
