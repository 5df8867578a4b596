// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

func Example() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	e, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	for _, status := range []string{`{"status":"open"}`, `{"status":"done"}`} {
		if _, err := e.Write(ctx, backend.Fact{Store: "tasks", Key: "t1", Value: []byte(status)}); err != nil {
			log.Fatal(err)
		}
	}
	now, _ := e.Get("tasks", "t1")
	before, _, _ := e.GetAt(context.Background(), "tasks", "t1", store.Moment{Seq: 1})
	fmt.Printf("%s, before that %s\n", now.Value(), before.Value())
	// Output: {"status":"done"}, before that {"status":"open"}
}

// open returns an engine over a log in memory with some tasks, and what closes both.
func open(values ...string) (e *store.Engine, closeAll func()) {
	facts := memory.New(memory.Options{})
	e, err := store.Open(context.Background(), facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for i, v := range values {
		write(e, "tasks", fmt.Sprint("t", i+1), v)
	}
	return e, func() { _, _ = e.Close(), facts.Close() }
}

func write(e *store.Engine, name, key, value string) backend.Fact {
	f, err := e.Write(context.Background(), backend.Fact{Store: name, Key: key, Value: []byte(value)})
	if err != nil {
		log.Fatal(err)
	}
	return f
}
