// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/store"
)

func ExampleStore_Compact() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	if err := articles.Retain(companion.Retention{Versions: 2}); err != nil {
		log.Fatal(err)
	}
	for price := range 5 {
		must(articles.Put(ctx, "lamp", Article{Title: "Lamp", Price: price}))
	}
	for _, c := range s.PlanCompaction() {
		fmt.Println("would go from", c.Store+":", c.Facts)
	}
	for _, c := range must(s.Compact(ctx)) {
		fmt.Println("gone from", c.Store+":", c.Seqs)
	}
	for version, err := range articles.History(ctx, "lamp", companion.Moment{}) {
		if errors.Is(err, companion.ErrCompacted) { // it is said first, and the loop may go on
			fmt.Println("earlier versions are gone")
			continue
		}
		fmt.Println(version.Seq, version.Value.Price, err)
	}
	// Output:
	// would go from articles: 3
	// gone from articles: [[1 3]]
	// earlier versions are gone
	// 4 3 <nil>
	// 5 4 <nil>
}

func ExampleEvents_Retain() {
	ctx := context.Background()
	clock := newWall(2024, time.January, 1)
	log := memory.New(memory.Options{Now: clock.now})
	defer log.Close()
	s := must(companion.New(ctx, log, companion.Options{Now: clock.now}))
	defer s.Close()
	notes := must(companion.NewEvents[string](s, "notes"))
	if err := notes.Retain(30 * 24 * time.Hour); err != nil {
		fmt.Println(err)
	}
	must(notes.Append(ctx, "today"))
	fmt.Println(len(s.PlanCompaction()), "at first")
	clock.advance(31 * 24 * time.Hour)
	must(notes.Append(ctx, "and in February"))
	fmt.Println(s.PlanCompaction()[0].Facts, "a month later")
	// Output:
	// 0 at first
	// 1 a month later
}

func ExampleRecords_Retain() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	sessions := must(companion.NewRecords[string](s, "sessions"))
	if err := sessions.Retain(companion.Retention{Versions: 1}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sessions.Retain(companion.Retention{Versions: -1}))
	must(sessions.Put(ctx, "ana", "here"))
	must(sessions.Put(ctx, "ana", "away"))
	must(s.Compact(ctx))
	for r, err := range sessions.List(ctx, companion.Query{}) {
		fmt.Println(r.Value, err)
	}
	// Output:
	// companion: retain store "sessions": backend: invalid versions: -1 is below 0
	// away <nil>
}

// With a window of a day, the store can be read as of any time of the last day, and no further back.
func ExampleRetention() {
	ctx := context.Background()
	clock := newWall(2026, time.March, 1)
	log := memory.New(memory.Options{Now: clock.now})
	defer log.Close()
	s := must(companion.New(ctx, log, companion.Options{Now: clock.now}))
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	fmt.Println(prices.Retain(companion.Retention{Window: 24 * time.Hour}))
	for price := range 5 {
		must(prices.Put(ctx, "lamp", price))
		clock.advance(12 * time.Hour)
	}
	must(s.Compact(ctx))
	fmt.Println(must(prices.GetAt(ctx, "lamp", companion.Moment{Time: clock.now().Add(-24 * time.Hour)})).Value)
	_, err := prices.GetAt(ctx, "lamp", companion.Moment{Time: clock.now().Add(-60 * time.Hour)})
	fmt.Println(errors.Is(err, companion.ErrCompacted))
	// Output:
	// <nil>
	// 3
	// true
}

// The log keeps a receipt of each compaction.
func ExampleCompaction() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	if err := prices.Retain(companion.Retention{Versions: 1}); err != nil {
		log.Fatal(err)
	}
	for price := range 3 {
		must(prices.Put(ctx, "lamp", price))
	}
	must(s.Compact(ctx))
	receipts := must(companion.NewRecords[companion.Compaction](s, store.CompactionStore))
	done := must(receipts.Get(ctx, "prices")).Value
	fmt.Println(done.Store, done.Facts, done.Seqs, done.Rule.Versions)
	// Output: prices 2 [[1 2]] 1
}
