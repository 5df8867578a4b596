// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/igniter-store/igniter/store"
)

func ExampleEngine_Index() {
	e, closeAll := open(`{"by":{"name":"ana"}}`, `{"by":{"name":"bob"}}`, `{"by":{"name":"ana"}}`)
	defer closeAll()
	byName, err := e.Index("tasks", "by.name")
	if err != nil {
		log.Fatal(err)
	}
	for r, err := range byName.List(context.Background(), "ana", store.Moment{}) {
		fmt.Println(r.Key(), err)
	}
	// Output:
	// t1 <nil>
	// t3 <nil>
}

// Nested fields are named by the names that lead to them.
func ExampleField() {
	e, closeAll := open(`{"home":{"city":"Bern"}}`, `{"home":null}`)
	defer closeAll()
	byCity, err := e.Index("tasks", store.Field("home.city"))
	if err != nil {
		log.Fatal(err)
	}
	for v := range byCity.Values() {
		fmt.Println(v)
	}
	// Output: "Bern"
}

// An index says what values there are, and which records have one, now and in the past.
func ExampleIndex() {
	e, closeAll := open(`{"by":"ana"}`, `{"by":"bob"}`)
	defer closeAll()
	by, err := e.Index("tasks", "by")
	if err != nil {
		log.Fatal(err)
	}
	by.Build()
	head := e.Head()
	write(e, "tasks", "t1", `{"by":"bob"}`)
	fmt.Println(slices.Collect(by.Values()))
	for _, m := range []store.Moment{{}, {Seq: head}} {
		for r, err := range by.List(context.Background(), "bob", m) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Print(r.Key(), " ")
		}
		fmt.Println("as of seq", m.Seq)
	}
	// Output:
	// ["bob"]
	// t1 t2 as of seq 0
	// t2 as of seq 2
}
