// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"slices"

	"github.com/igniter-store/igniter/store"
)

func ExampleEngine_Scope() {
	e, closeAll := open(`{"status":"open"}`, `{"status":"done"}`, `{"status":"open"}`)
	defer closeAll()
	tasks, err := e.Scope("tasks", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
	if err != nil {
		log.Fatal(err)
	}
	head := e.Head()
	write(e, "tasks", "t1", `{"status":"done"}`)
	for r := range tasks.List(context.Background(), store.Query{}) {
		fmt.Println("now", r.Key())
	}
	for r := range tasks.List(context.Background(), store.Query{At: store.AsOf(head), Descending: true, Limit: 1}) {
		fmt.Println("before", r.Key())
	}
	// Output:
	// now t3
	// before t3
}

func ExampleQuery_orderBy() {
	e, closeAll := open()
	defer closeAll()
	for key, value := range map[string]string{"tea": `{"price":2.50}`, "cake": `{"price":4}`, "coffee": `{"price":3}`, "water": `{"price":2.5}`} {
		write(e, "menu", key, value)
	}
	page := store.Query{OrderBy: "price", Limit: 3}
	for next := true; next; next = page.Cursor != "" {
		found, err := e.Query(context.Background(), "menu", page)
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range found.Records {
			fmt.Println(r.Key(), string(r.Value()))
		}
		fmt.Println("end of page")
		page.Cursor = found.Next
	}
	// Output:
	// tea {"price":2.50}
	// water {"price":2.5}
	// coffee {"price":3}
	// end of page
	// cake {"price":4}
	// end of page
}

func ExampleScope_Watch() {
	e, closeAll := open(`{"status":"open"}`, `{"status":"done"}`)
	defer closeAll()
	tasks, err := e.Scope("tasks", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
	if err != nil {
		log.Fatal(err)
	}
	write(e, "tasks", "t1", `{"status":"open","title":"x"}`)
	write(e, "tasks", "t1", `null`)
	for event, err := range tasks.Watch(context.Background(), 0) {
		fmt.Println(event.Record.Seq(), event.Record.Key(), event.Transition, err)
		if event.Transition == store.Left {
			break
		}
	}
	// Output:
	// 1 t1 entered <nil>
	// 3 t1 updated <nil>
	// 4 t1 left <nil>
}

// A filter is of fields, nested ones too, or of what Go can say, or both.
func ExampleScope_List() {
	e, closeAll := open(`{"by":{"name":"ana"},"n":1}`, `{"by":{"name":"ana"},"n":20}`, `{"by":{"name":"bob"},"n":30}`)
	defer closeAll()
	long, err := e.Scope("tasks", "ana's, in long", store.Filter{
		Where: map[store.Field]any{"by.name": "ana"},
		Match: func(_ store.Record, value json.RawMessage) bool { return len(value) > 27 },
	})
	if err != nil {
		log.Fatal(err)
	}
	for r := range long.List(context.Background(), store.Query{}) {
		fmt.Println(r.Key())
	}
	// Output: t2
}

// The index is built by the first read, or eagerly.
func ExampleScope_Build() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	ones, err := e.Scope("tasks", "ones", store.Filter{Match: func(_ store.Record, value json.RawMessage) bool { return string(value) == "1" }})
	if err != nil {
		log.Fatal(err)
	}
	ones.Build()
	write(e, "tasks", "t2", `1`)
	write(e, "tasks", "t1", `2`)
	fmt.Println(ones.Count())
	// Output: 1
}

// A view of a scope follows its events.
func ExampleScopeEvent() {
	e, closeAll := open(`1`)
	defer closeAll()
	ones, err := e.Scope("tasks", "ones", store.Filter{Match: func(_ store.Record, value json.RawMessage) bool { return string(value) == "1" }})
	if err != nil {
		log.Fatal(err)
	}
	write(e, "tasks", "t1", `1`)
	write(e, "tasks", "t1", `2`)
	view := map[string]bool{}
	for event, err := range ones.Watch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		switch event.Transition {
		case store.Entered, store.Updated:
			view[event.Record.Key()] = true
		case store.Left:
			delete(view, event.Record.Key())
		}
		fmt.Println(event.Transition, view)
		if event.Record.Seq() == e.Head() {
			break // an app goes on, and keeps the seq to begin after next time
		}
	}
	// Output:
	// entered map[t1:true]
	// updated map[t1:true]
	// left map[]
}

func ExampleTransition() {
	for _, c := range []store.Transition{store.Entered, store.Updated, store.Left} {
		fmt.Println(c)
	}
	// Output:
	// entered
	// updated
	// left
}

// Equal is what is the same as JSON: a number is no string, and what is not there is not null.
func ExampleFilter() {
	e, closeAll := open(`{"n":1}`, `{"n":"1"}`, `{"n":null}`, `{}`)
	defer closeAll()
	for _, v := range []any{1, "1", nil} {
		tasks, err := e.Scope("tasks", fmt.Sprintf("n is %#v", v), store.Filter{Where: map[store.Field]any{"n": v}})
		if err != nil {
			log.Fatal(err)
		}
		for r := range tasks.List(context.Background(), store.Query{}) {
			fmt.Printf("%s %s\n", r.Key(), r.Value())
		}
	}
	// Output:
	// t1 {"n":1}
	// t2 {"n":"1"}
	// t3 {"n":null}
}

// A request's handler may declare a scope each time: it is the same one, and is kept up until the last is closed.
func ExampleScope_Close() {
	e, closeAll := open(`{"status":"open"}`)
	defer closeAll()
	for range 2 {
		tasks, err := e.Scope("tasks", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
		if err != nil {
			log.Fatal(err)
		}
		defer tasks.Close()
		fmt.Println(tasks.Count())
	}
	// Output:
	// 1
	// 1
}

func ExampleIndex_Close() {
	e, closeAll := open(`{"status":"open"}`)
	defer closeAll()
	byStatus, err := e.Index("tasks", "status")
	if err != nil {
		log.Fatal(err)
	}
	byStatus.Close() // it can still be read, at the price of looking at every record
	fmt.Println(slices.Collect(byStatus.Values()))
	// Output: ["open"]
}

func ExampleRelation_Close() {
	e, closeAll := open()
	defer closeAll()
	comments, err := e.Relation("tasks", "comments", "task")
	if err != nil {
		log.Fatal(err)
	}
	defer comments.Close()
	write(e, "comments", "c1", `{"task":"t1"}`)
	for c := range comments.Many(context.Background(), "t1", store.Moment{}) {
		fmt.Println(c.Key())
	}
	// Output: c1
}
