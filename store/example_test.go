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
	before, _ := e.GetAt("tasks", "t1", store.Moment{Seq: 1})
	fmt.Printf("%s, before that %s\n", now.Value(), before.Value())
	// Output: {"status":"done"}, before that {"status":"open"}
}

func ExampleEngine_WriteIf() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	e, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	first, err := e.WriteIf(ctx, "", backend.Fact{ID: "f1", Store: "tasks", Key: "t1", Value: []byte("1")})
	fmt.Println(first.Seq, err)
	_, err = e.WriteIf(ctx, "", backend.Fact{ID: "f2", Store: "tasks", Key: "t1", Value: []byte("2")})
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// memory: write batch of 1 facts: backend: conflict: the latest fact of key "t1" in store "tasks" is "f1", not none: read it again and decide anew
}
