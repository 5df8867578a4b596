// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

func ExampleAsOf() {
	e, closeAll := open()
	defer closeAll()
	before := store.AsOf(e.Head()) // nothing is written yet
	write(e, "tasks", "t1", `1`)
	_, then, _ := e.GetAt(context.Background(), "tasks", "t1", before)
	_, now := e.Get("tasks", "t1")
	fmt.Println(then, now)
	// Output: false true
}

// An engine of no stores reads none, until it is asked for one.
func ExampleEngine_Load() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	writer, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	f := write(writer, "tasks", "t1", `1`)

	e, err := store.Open(ctx, facts, store.Options{Stores: []string{}})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	_, err = e.Write(ctx, f)
	fmt.Println(errors.Is(err, store.ErrNotLoaded), e.Loaded("tasks"))
	if err := e.Load(ctx, "tasks"); err != nil {
		log.Fatal(err)
	}
	r, _ := e.Get("tasks", "t1")
	fmt.Println(string(r.Value()), e.Loaded("tasks"))
	// Output:
	// true false
	// 1 true
}

// openLatest returns an engine that keeps the latest fact of each key only, over a log with a task that
// was open, late and done.
func openLatest() (e *store.Engine, closeAll func()) {
	facts := memory.New(memory.Options{})
	e, err := store.Open(context.Background(), facts, store.Options{KeepVersions: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, status := range []string{"open", "late", "done"} {
		write(e, "tasks", "t1", fmt.Sprintf(`{"status":%q,"list":"home"}`, status))
	}
	return e, func() { _, _ = e.Close(), facts.Close() }
}

// Facts that are not in memory are read from the log.
func ExampleScope_List_past() {
	e, closeAll := openLatest()
	defer closeAll()
	open, err := e.Scope("tasks", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
	if err != nil {
		log.Fatal(err)
	}
	for r, err := range open.List(context.Background(), store.Query{At: store.AsOf(1)}) {
		fmt.Println(r.Key(), err)
	}
	// Output: t1 <nil>
}

func ExampleIndex_List_past() {
	e, closeAll := openLatest()
	defer closeAll()
	byStatus, err := e.Index("tasks", "status")
	if err != nil {
		log.Fatal(err)
	}
	for r, err := range byStatus.List(context.Background(), "late", store.AsOf(2)) {
		fmt.Println(r.Key(), err)
	}
	// Output: t1 <nil>
}

func ExampleRelation_Many_past() {
	e, closeAll := openLatest()
	defer closeAll()
	tasksOf, err := e.Relation("lists", "tasks", "list")
	if err != nil {
		log.Fatal(err)
	}
	for r := range tasksOf.Many(context.Background(), "home", store.AsOf(2)) {
		fmt.Println(string(r.Value()))
	}
	// Output: {"list":"home","status":"late"}
}

// An engine that does not hold all facts does not take them for missing.
func ExampleEngine_Lineage_dropped() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	writer, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	order := write(writer, "orders", "o1", `2`)
	bill, err := writer.Write(ctx, backend.Fact{Store: "bills", Key: "b1", Value: []byte(`20`), Causation: order.ID})
	if err != nil {
		log.Fatal(err)
	}

	e, err := store.Open(ctx, facts, store.Options{Stores: []string{"bills"}})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	_, err = e.Lineage(bill.ID)
	fmt.Println(errors.Is(err, store.ErrDropped))

	all, err := e.Past(ctx, "") // all stores, from the log
	if err != nil {
		log.Fatal(err)
	}
	lineage, err := all.Lineage(bill.ID)
	fmt.Println(len(lineage.Facts), err)
	// Output:
	// true
	// 2 <nil>
}

func ExampleValidNow() {
	e, closeAll := open(`"now"`)
	defer closeAll()
	next := time.Now().AddDate(0, 1, 0)
	if _, err := e.Write(context.Background(), backend.Fact{Store: "tasks", Key: "t1", Value: []byte(`"later"`), ValidTime: next}); err != nil {
		log.Fatal(err)
	}
	r, ok, err := e.GetAt(context.Background(), "tasks", "t1", store.ValidNow())
	fmt.Println(string(r.Value()), ok, err)
	// Output: "now" true <nil>
}
