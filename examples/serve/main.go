// SPDX-License-Identifier: Apache-2.0

// Serve shares a log between processes. It shows how a program embeds the server. Without flags it
// keeps the log in memory and listens on loopback.
//
//	go run ./examples/serve
//	go run ./examples/serve -path DIR -listen unix:/tmp/igniter.sock
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// drainTime is how long Shutdown waits for requests in flight.
const drainTime = 5 * time.Second

// run serves a log until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:7400", "host:port, or unix: and the path of a socket")
	path := flags.String("path", "", "the log's directory; empty: in memory")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	log, err := open(ctx, *path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	network, address := "tcp", *listen
	if socket, ok := strings.CutPrefix(*listen, "unix:"); ok {
		network, address = "unix", socket
	}
	l, err := server.Listen(network, address)
	if err != nil {
		return err
	}
	s := server.New(log, server.Options{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	fmt.Fprintf(out, "serving on %s\n", l.Addr())
	select {
	case err = <-served:
	case <-ctx.Done():
		draining, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err = s.Shutdown(draining); errors.Is(err, context.DeadlineExceeded) {
			err = nil // clients that took longer were cut off, and connect again
		}
		err = errors.Join(err, <-served)
	}
	return errors.Join(err, s.Close())
}

func open(ctx context.Context, path string) (backend.Backend, error) {
	if path == "" {
		return memory.New(memory.Options{}), nil
	}
	return file.Open(ctx, file.Options{Path: path})
}
