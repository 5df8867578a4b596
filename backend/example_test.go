package backend_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// A backend makes itself known in an init function, and is then opened by name.
func ExampleRegister() {
	backend.Register("example", func(ctx context.Context, c backend.Config) (backend.Backend, error) {
		if err := c.Only("example", "size"); err != nil {
			return nil, err
		}
		return memory.New(memory.Options{}), nil
	})

	b, err := backend.Open(context.Background(), "example", backend.Config{Settings: map[string]any{"size": 5}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	_, err = backend.Open(context.Background(), "example", backend.Config{Path: "/var/lib/facts"})
	fmt.Println(err)
	// Output: backend: invalid path: backend "example" does not use it; it uses size
}

// Several facts are written together, on condition that a key has no fact yet.
func ExampleWriteBatch() {
	ctx := context.Background()
	b := memory.New(memory.Options{})
	defer b.Close()
	batch := backend.Batch{
		Facts: []backend.Fact{
			{ID: "1", Store: "accounts", Key: "ana", Value: []byte("70")},
			{ID: "2", Store: "accounts", Key: "bob", Value: []byte("30")},
		},
		Expect: []backend.Expect{{Store: "accounts", Key: "ana", ID: ""}},
	}
	facts, err := backend.WriteBatch(ctx, b, batch)
	fmt.Println(len(facts), err)

	batch.Facts = []backend.Fact{{ID: "3", Store: "accounts", Key: "ana", Value: []byte("0")}}
	_, err = backend.WriteBatch(ctx, b, batch)
	var conflict *backend.ConflictError
	fmt.Println(errors.As(err, &conflict), conflict.Latest)
	// Output:
	// 2 <nil>
	// true 1
}
