// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

// Two programs share a log: one serves it, the other uses a client, which is a backend like any other.
func Example() {
	ctx := context.Background()

	// The program that has the log.
	tasks := memory.New(memory.Options{})
	defer tasks.Close() // after the server, which leaves it open
	s := server.New(tasks, server.Options{})
	l, err := server.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()

	// The program that uses it.
	c, err := network.Dial(ctx, network.Options{Address: l.Addr().String()})
	if err != nil {
		log.Fatal(err)
	}
	f, err := c.WriteFact(ctx, backend.Fact{ID: "f1", Store: "tasks", Key: "milk", Value: []byte(`{"done":false}`)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("written at", f.Seq)
	for f, err := range backend.Facts(c.Follow(ctx, backend.Range{})) { // the facts of the log, and then new ones
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s is %s\n", f.Key, f.Value)
		break
	}
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}

	// Requests in flight are answered; requests that take longer than this are cut off.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Status(), <-served)
	// Output:
	// written at 1
	// milk is {"done":false}
	// stopped <nil>
}
