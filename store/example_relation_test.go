// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/store"
)

func ExampleEngine_Relation() {
	e, closeAll := open(`{"person":"ana"}`, `{"person":"bob"}`)
	defer closeAll()
	ofPerson, err := e.Relation("people", "tasks", "person")
	if err != nil {
		log.Fatal(err)
	}
	write(e, "people", "ana", `{"name":"Ana"}`)
	for task := range ofPerson.Many(context.Background(), "ana", store.Moment{}) {
		person, ok, _ := ofPerson.One(context.Background(), task, store.Moment{})
		fmt.Printf("%s %s %v\n", task.Key(), person.Value(), ok)
	}
	// Output: t1 {"name":"Ana"} true
}

// A relation holds for what was, too.
func ExampleRelation() {
	e, closeAll := open(`{"person":"ana"}`)
	defer closeAll()
	ofPerson, err := e.Relation("people", "tasks", "person")
	if err != nil {
		log.Fatal(err)
	}
	write(e, "people", "ana", `"Ana"`)
	before := store.Moment{Seq: e.Head()}
	write(e, "tasks", "t1", `{"person":"bob"}`)
	for _, m := range []store.Moment{{}, before} {
		n := 0
		for range ofPerson.Many(context.Background(), "ana", m) {
			n++
		}
		task, _, _ := e.GetAt(context.Background(), "tasks", "t1", m)
		person, ok, _ := ofPerson.One(context.Background(), task, m)
		fmt.Println(n, string(person.Value()), ok)
	}
	// Output:
	// 0  false
	// 1 "Ana" true
}
