// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

func ExampleDial() {
	if err := exampleDial(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: 1 tasks/t1 {"title":"Buy milk"}
}

func exampleDial(ctx context.Context) error {
	// One process serves a log. Here it is the same one, and the log is in memory.
	l, err := server.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := server.New(memory.New(memory.Options{}), server.Options{})
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()

	// Other processes share it.
	c, err := network.Dial(ctx, network.Options{Address: l.Addr().String()})
	if err != nil {
		return err
	}
	if _, err := c.WriteFact(ctx, backend.Fact{ID: "a1", Store: "tasks", Key: "t1", Value: []byte(`{"title":"Buy milk"}`)}); err != nil {
		return err
	}
	for f, err := range backend.Facts(c.Follow(ctx, backend.Range{Stores: []string{"tasks"}})) {
		if err != nil {
			return err
		}
		fmt.Printf("%d %s/%s %s\n", f.Seq, f.Store, f.Key, f.Value)
		break // or wait for the next fact
	}
	if err := c.Close(); err != nil {
		return err
	}
	if err := s.Shutdown(ctx); err != nil {
		return err
	}
	return <-done
}
