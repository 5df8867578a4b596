// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// A backend registers itself in an init function. Programs then open it by name.
func ExampleRegister() {
	backend.Register("example", func(ctx context.Context, c backend.Config) (backend.Backend, error) {
		if err := c.Only("example", "size"); err != nil {
			return nil, err
		}
		return memory.New(memory.Options{}), nil
	})

	b, err := backend.Open(context.Background(), "example", backend.Config{Settings: map[string]any{"size": 5}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	_, err = backend.Open(context.Background(), "example", backend.Config{Path: "/var/lib/facts"})
	fmt.Println(err)
	// Output: backend: invalid path: backend "example" does not use it; it uses size
}

// Write several facts together, on the condition that a key has no fact yet.
func ExampleLog() {
	ctx := context.Background()
	log := backend.Complete(memory.New(memory.Options{}))
	defer log.Close()
	batch := backend.Batch{
		Facts: []backend.Fact{
			{ID: "1", Store: "accounts", Key: "ana", Value: []byte("70")},
			{ID: "2", Store: "accounts", Key: "bob", Value: []byte("30")},
		},
		Expect: []backend.Expect{{Store: "accounts", Key: "ana", ID: ""}},
	}
	written := log.Write(ctx, batch)[0]
	fmt.Println(len(written.Facts), written.Err)

	batch.Facts = []backend.Fact{{ID: "3", Store: "accounts", Key: "ana", Value: []byte("0")}}
	written = log.Write(ctx, batch)[0]
	var conflict *backend.ConflictError
	fmt.Println(errors.As(written.Err, &conflict), conflict.Latest)

	for page, err := range log.Replay(ctx, backend.Range{}) {
		fmt.Println(len(page.Facts), page.Through.Seq, err)
	}
	// Output:
	// 2 <nil>
	// true 1
	// 2 2 <nil>
}

// A decorator of a log needs a hook or two. This one refuses every write.
func ExampleIntercept() {
	ctx := context.Background()
	log := backend.Intercept(backend.Complete(memory.New(memory.Options{})), backend.Hooks{
		Write: func(_ context.Context, batches []backend.Batch, _ func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			return backend.Refused(len(batches), backend.ErrForbidden)
		},
	})
	defer log.Close()

	_, err := log.WriteFact(ctx, backend.Fact{ID: "1", Store: "accounts", Key: "ana", Value: []byte("70")})
	fmt.Println(err)
	// Output: backend: forbidden
}
