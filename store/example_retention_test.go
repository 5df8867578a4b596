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
	"github.com/igniter-store/igniter/store"
)

func ExampleEngine_Compact() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	write(e, "tasks", "t1", `3`)
	if err := e.Retain("tasks", store.Retention{Versions: 1, Window: time.Hour}); err != nil {
		log.Fatal(err)
	}
	done, err := e.Compact(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	receipt, _ := e.Get(store.CompactionStore, "tasks")
	fmt.Println(done[0].Facts, done[0].Seqs, receipt.Seq())
	// Output: 1 [[1 1]] 5
}

// PlanCompaction shows what Compact would remove.
func ExampleEngine_PlanCompaction() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	for i := range 4 {
		write(e, "tasks", "t1", fmt.Sprint(i))
	}
	if err := e.Retain("tasks", store.Retention{Versions: 2}); err != nil {
		log.Fatal(err)
	}
	for _, c := range e.PlanCompaction() {
		fmt.Println(c.Facts, "of", c.Store, c.Seqs)
	}
	// Output: 3 of tasks [[1 1] [3 4]]
}

// A compaction leaves a receipt in the log, at which other engines drop the same facts.
func ExampleCompaction() {
	e, closeAll := open(`1`)
	defer closeAll()
	write(e, "tasks", "t1", `2`)
	if err := e.Retain("tasks", store.Retention{Versions: 1}); err != nil {
		log.Fatal(err)
	}
	if _, err := e.Compact(context.Background()); err != nil {
		log.Fatal(err)
	}
	receipt, _ := e.Get(store.CompactionStore, "tasks")
	var c store.Compaction
	err := json.Unmarshal(receipt.Value(), &c)
	fmt.Println(c.Facts, c.Seqs, c.Rule.Versions, err)
	// Output: 1 [[1 1]] 1 <nil>
}

func ExampleRetention() {
	e, closeAll := open()
	defer closeAll()
	for n, r := range []store.Retention{
		{},                                     // all
		{Versions: 1},                          // the latest fact of each key
		{Versions: 10, Window: 24 * time.Hour}, // at most ten of each, and what of them was current in the last day
		{Window: 24 * time.Hour, Events: true}, // a history's events of the last day
		{Events: true},
	} {
		fmt.Println(e.Retain(fmt.Sprint("tasks", n), r))
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// backend: invalid events: without a window
}

// After a compaction, reads of the past before the horizon say that it is not known any more.
func ExampleEngine_Horizon() {
	ctx := context.Background()
	e, closeAll := open(`1`)
	defer closeAll()
	second := write(e, "tasks", "t1", `2`)
	if err := e.Retain("tasks", store.Retention{Versions: 1}); err != nil {
		log.Fatal(err)
	}
	if _, err := e.Compact(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Horizon("tasks").Seq)
	for _, seq := range []uint64{second.Seq - 1, second.Seq} {
		r, ok, err := e.GetAt(ctx, "tasks", "t1", store.AsOf(seq))
		fmt.Println(string(r.Value()), ok, errors.Is(err, backend.ErrCompacted))
	}
	// Output:
	// 2
	//  false true
	// 2 true false
}
