// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/igniter-store/igniter/store"
)

// loud reads a text as if it were written in capitals.
type loud struct{}

func (loud) ReadField(value []byte) []byte { return []byte(strings.ToUpper(string(value))) }

func ExampleFieldReader() {
	e, closeAll := open(`"lamp"`, `"LAMP"`, `"chair"`)
	defer closeAll()
	lamps, err := e.Scope("tasks", "lamps", store.Filter{
		Where:   map[store.Field]any{"text": "LAMP"},
		Readers: map[store.Field]store.FieldReader{"text": loud{}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(lamps.Count())
	// Output: 2
}

func ExampleQuery_ReadBy() {
	e, closeAll := open(`"b"`, `"A"`, `"C"`)
	defer closeAll()
	for r := range e.List(context.Background(), "tasks", store.Query{OrderBy: "text"}.ReadBy(loud{})) {
		fmt.Println(string(r.Value()))
	}
	// Output:
	// "A"
	// "b"
	// "C"
}
