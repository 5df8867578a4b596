// SPDX-License-Identifier: Apache-2.0

// Command backend is a whole backend of Igniter's in two small files: dir.go keeps batches in a directory,
// log.go makes a log of them with package sequencer. docs/writing-a-backend.md walks through it.
//
//	go run ./examples/backend DIR              # prints the log in DIR
//	go run ./examples/backend DIR KEY VALUE    # writes a fact, then prints the log
//	go run ./examples/backend DIR -f           # prints the log, and goes on as other processes write it
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/backend"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) < 1 || len(args) > 3 || len(args) == 2 && args[1] != "-f" {
		return errors.New("usage: backend DIR [-f | KEY VALUE]")
	}
	log, err := backend.Open(ctx, "batchdir", backend.Config{Path: args[0]})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	read := log.Replay
	switch len(args) {
	case 2:
		read = log.Follow
	case 3:
		id := uuid.Must(uuid.NewV7()).String()
		if _, err := log.WriteFact(ctx, backend.Fact{ID: id, Store: "notes", Key: args[1], Value: []byte(args[2])}); err != nil {
			return err
		}
	}
	for f, err := range backend.Facts(read(ctx, backend.Range{})) {
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%d %s/%s %s\n", f.Seq, f.Store, f.Key, f.Value); err != nil {
			return err
		}
	}
	return nil
}
