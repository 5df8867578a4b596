package companion_test

import (
	"context"
	"fmt"
	"log"

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
