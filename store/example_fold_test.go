// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func ExampleNewFold() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	count := store.NewFold(e, 0, func(n int, _ store.Record) int { return n + 1 }, "tasks")
	write(e, "tasks", "t3", `3`)
	err := count.Read(context.Background(), func(n int, seq uint64) { fmt.Println(n, "facts through", seq) })
	fmt.Println(err)
	// Output:
	// 3 facts through 3
	// <nil>
}

// A fold over several stores takes in what others write once it is here.
func ExampleFold() {
	e, closeAll := open(`1`)
	defer closeAll()
	count := store.NewFold(e, map[string]int{}, func(n map[string]int, r store.Record) map[string]int {
		n[r.Store()]++
		return n
	}, "tasks", "notes")
	written := write(e, "notes", "n1", `1`)
	if err := e.WaitFor(context.Background(), written.Seq); err != nil {
		log.Fatal(err)
	}
	if err := count.Read(context.Background(), func(n map[string]int, _ uint64) { fmt.Println(n) }); err != nil {
		log.Fatal(err)
	}
	// Output: map[notes:1 tasks:1]
}

// A fold that has not taken in what a compaction pruned can begin where nothing is missing.
func ExampleFold_Begin() {
	ctx := context.Background()
	e, closeAll := open(`1`)
	defer closeAll()
	write(e, "tasks", "t1", `2`)
	if err := e.Retain("tasks", store.Retention{Versions: 1}); err != nil {
		log.Fatal(err)
	}
	if _, err := e.Compact(ctx); err != nil {
		log.Fatal(err)
	}
	write(e, "tasks", "t1", `3`)
	changes := store.NewFold(e, 0, func(n int, _ store.Record) int { return n + 1 }, "tasks")
	show := func(n int, _ uint64) { fmt.Println(n) }
	err := changes.Read(ctx, show)
	var compacted *backend.CompactedError
	if errors.As(err, &compacted) {
		fmt.Println("whole from seq", compacted.Horizon.Seq)
		if err = changes.Begin(ctx, 0, compacted.Horizon.Seq); err == nil {
			err = changes.Read(ctx, show)
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// whole from seq 2
	// 1
}

func ExampleNewChangeFold() {
	e, closeAll := open(`"a"`, `"bc"`)
	defer closeAll()
	bytes := store.NewChangeFold(e, 0, func(n int, before, after store.Record) int { return n - len(before.Value()) + len(after.Value()) }, "tasks")
	write(e, "tasks", "t1", `"defg"`)
	err := bytes.Read(context.Background(), func(n int, _ uint64) { fmt.Println(n, "bytes") })
	fmt.Println(err)
	// Output:
	// 10 bytes
	// <nil>
}
