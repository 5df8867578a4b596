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
)

func ExampleNewFold() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	payments := must(companion.NewEvents[int](s, "payments"))
	total := companion.NewFold(payments, 0, func(sum int, _, p companion.Record[int]) int { return sum + p.Value })
	must(payments.Append(ctx, 40))
	must(payments.Append(ctx, 2))
	err := total.Read(ctx, func(sum int, seq uint64) { fmt.Println(sum, "through", seq) })
	if err != nil {
		log.Fatal(err)
	}
	// Output: 42 through 2
}

// Facts are Records or Events: a fold takes both.
func ExampleFacts() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	sum := func(from companion.Facts[int]) *companion.Fold[int] {
		return companion.NewFold(from, 0, func(sum int, before, after companion.Record[int]) int {
			return sum - before.Value + after.Value
		})
	}
	stock := must(companion.NewRecords[int](s, "stock"))
	sold := must(companion.NewEvents[int](s, "sold"))
	all := []*companion.Fold[int]{sum(stock), sum(sold)}
	must(stock.Put(ctx, "lamps", 7))
	must(stock.Put(ctx, "lamps", 5)) // not 12
	must(sold.Append(ctx, 2))
	must(sold.Append(ctx, 1))
	for _, fold := range all {
		if err := fold.Read(ctx, func(sum int, _ uint64) { fmt.Println(sum) }); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 5
	// 3
}

// A balance that was kept elsewhere stands for the events that were compacted.
func ExampleFold_Begin() {
	ctx := context.Background()
	clock := newWall(2026, time.March, 1)
	backend := memory.New(memory.Options{Now: clock.now})
	defer backend.Close()
	s := must(companion.New(ctx, backend, companion.Options{Now: clock.now}))
	defer s.Close()
	payments := must(companion.NewEvents[int](s, "payments"))
	if err := payments.Retain(24 * time.Hour); err != nil {
		fmt.Println(err)
	}
	sum := func(sum int, _, p companion.Record[int]) int { return sum + p.Value }
	must(payments.Append(ctx, 40))
	balance, through := 0, uint64(0)
	keep := func(sum int, seq uint64) { balance, through = sum, seq }
	fmt.Println(companion.NewFold(payments, 0, sum).Read(ctx, keep), balance)

	clock.advance(36 * time.Hour)
	must(payments.Append(ctx, 2))
	must(s.Compact(ctx))
	total := companion.NewFold(payments, 0, sum)
	fmt.Println(errors.Is(total.Read(ctx, keep), companion.ErrCompacted))
	fmt.Println(total.Begin(ctx, balance, through), total.Read(ctx, keep), balance)
	// Output:
	// <nil> 40
	// true
	// <nil> <nil> 42
}
