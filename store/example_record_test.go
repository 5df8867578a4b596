// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

func ExampleEngine_Upcast() {
	e, closeAll := open(`"Buy milk"`)
	defer closeAll()
	err := e.Upcast("tasks", func(v json.RawMessage) (json.RawMessage, error) { return fmt.Appendf(nil, `{"title":%s}`, v), nil })
	if err != nil {
		log.Fatal(err)
	}
	r, _ := e.Get("tasks", "t1")
	v, err := r.Upcast()
	fmt.Printf("%s %v, stored as %s\n", v, err, r.Value())
	// Output: {"title":"Buy milk"} <nil>, stored as "Buy milk"
}

func ExampleRecord() {
	ctx := context.Background()
	now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	facts := memory.New(memory.Options{Now: func() time.Time { return now }})
	defer facts.Close()
	e, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	for i := range 2 {
		_, err := e.Write(ctx, backend.Fact{
			ID: fmt.Sprint("f", i+1), Store: "tasks", Key: "t1", Value: fmt.Append(nil, i), ValidTime: now.AddDate(0, 0, -i),
			Producer: []byte(`"ana"`), Derivation: []byte(`"by hand"`),
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	r, _ := e.Get("tasks", "t1")
	fmt.Println(r.Store(), r.Key(), string(r.Value()), r.Retracted())
	fmt.Println(r.Seq(), r.ID(), "after", r.Causation(), "version", r.Version(), "schema", r.SchemaVersion())
	fmt.Println("before it:", string(r.Previous().Value()))
	fmt.Println(r.TransactionTime().Format(time.DateOnly), r.ValidTime().Format(time.DateOnly))
	fmt.Printf("%s %s %.8s by %q\n", r.Producer(), r.Derivation(), r.ValueHash(), r.By())
	// Output:
	// tasks t1 1 false
	// 2 f2 after f1 version 2 schema 1
	// before it: 0
	// 2026-03-01 2026-02-28
	// "ana" "by hand" 6b86b273 by ""
}

// A record shares the engine's memory; a fact is one's own.
func ExampleRecord_Fact() {
	e, closeAll := open(`1`)
	defer closeAll()
	r, _ := e.Get("tasks", "t1")
	f := r.Fact()
	f.Value[0] = '2'
	fmt.Println(string(f.Value), string(r.Value()))
	// Output: 2 1
}

// A value of a newer version than the program knows is not misread.
func ExampleRecord_Upcast() {
	ctx := context.Background()
	e, closeAll := open(`1`)
	defer closeAll()
	double := func(v json.RawMessage) (json.RawMessage, error) { return fmt.Appendf(nil, "%s%s", v, v), nil }
	if err := e.Upcast("tasks", double); err != nil {
		log.Fatal(err)
	}
	_, err := e.Write(ctx, backend.Fact{Store: "tasks", Key: "t2", Value: []byte("2"), SchemaVersion: 3})
	if err != nil {
		log.Fatal(err)
	}
	for r := range e.List(context.Background(), "tasks", store.Query{}) {
		v, err := r.Upcast()
		fmt.Printf("version %d: %s %v\n", r.SchemaVersion(), v, errors.Is(err, store.ErrNewer))
	}
	// Output:
	// version 1: 11 false
	// version 3:  true
}

// Each upcaster leads one version on.
func ExampleUpcaster() {
	e, closeAll := open(`"Buy milk"`)
	defer closeAll()
	var steps []store.Upcaster
	for _, form := range []string{`{"text":%s}`, `{"task":%s}`} {
		steps = append(steps, func(v json.RawMessage) (json.RawMessage, error) { return fmt.Appendf(nil, form, v), nil })
	}
	if err := e.Upcast("tasks", steps...); err != nil {
		log.Fatal(err)
	}
	r, _ := e.Get("tasks", "t1")
	v, err := r.Upcast()
	fmt.Println(string(v), err)
	// Output: {"task":{"text":"Buy milk"}} <nil>
}
