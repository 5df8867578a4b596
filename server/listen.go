// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Listen listens on an address of a network, "tcp" (host:port) or "unix" (a socket's path). It replaces a socket file
// that a dead server left behind. A socket on which a server listens is an error, and so is any other file.
func Listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err == nil || network != "unix" || !errors.Is(err, syscall.EADDRINUSE) {
		return l, wrapListen(network, address, err)
	}
	info, statErr := os.Lstat(address)
	if statErr == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, wrapListen(network, address, errors.New("there is a file of that name that is not a socket"))
	}
	nc, dialErr := net.DialTimeout("unix", address, time.Second)
	if dialErr == nil {
		_ = nc.Close()
		return nil, wrapListen(network, address, errors.New("another server listens there"))
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, wrapListen(network, address, errors.Join(err, dialErr))
	}
	if err := os.Remove(address); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, wrapListen(network, address, err)
	}
	l, err = net.Listen(network, address)
	return l, wrapListen(network, address, err)
}

func wrapListen(network, address string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("server: listen on %s %s: %w", network, address, err)
}
