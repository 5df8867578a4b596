// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/companion"
)

// A loop notes what it can't read, and goes on.
func ExampleDecodeError() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	must(must(companion.NewEvents[string](s, "payments")).Append(ctx, "2.50 EUR")) // another version of the app
	payments := must(companion.NewEvents[int](s, "payments"))
	must(payments.Append(ctx, 40))
	for p, err := range payments.Since(ctx, 0) {
		var bad *companion.DecodeError
		switch {
		case errors.As(err, &bad):
			fmt.Println("not read: seq", bad.Seq)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(p.Value)
		}
	}
	// Output:
	// not read: seq 1
	// 40
}

// A fold passes over what it can't read, and says so.
func ExampleUndecodedError() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	must(must(companion.NewEvents[string](s, "payments")).Append(ctx, "2.50 EUR"))
	payments := must(companion.NewEvents[int](s, "payments"))
	must(payments.Append(ctx, 40))
	total := companion.NewFold(payments, 0, func(sum int, _, p companion.Record[int]) int { return sum + p.Value })
	err := total.Read(ctx, func(sum int, _ uint64) { fmt.Println(sum) })
	var passed *companion.UndecodedError
	fmt.Println(errors.As(err, &passed), passed.Count)
	// Output:
	// 40
	// true 1
}

func ExampleScope_Undecoded() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	must(must(companion.NewRecords[string](s, "stock")).Put(ctx, "lamps", "many"))
	stock := must(companion.NewRecords[int](s, "stock"))
	must(stock.Put(ctx, "chairs", 7))
	all := must(stock.Scope("all", companion.Filter[int]{Match: func(string, int) bool { return true }}))
	var undecoded *companion.UndecodedError
	fmt.Println(all.Count(), errors.As(all.Undecoded(ctx), &undecoded), undecoded.First.Key)
	// Output: 1 true lamps
}

func ExamplePartition_Undecoded() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	type payment struct {
		By string `json:"by"`
	}
	must(must(companion.NewEvents[string](s, "payments")).Append(ctx, "2.50 EUR"))
	payments := must(companion.NewEvents[payment](s, "payments"))
	by := must(payments.Partition("by"))
	var undecoded *companion.UndecodedError
	fmt.Println(errors.As(by.Undecoded(ctx), &undecoded), undecoded.Count)
	// Output: true 1
}

func ExampleRelation_Undecoded() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	type comment struct {
		Article string `json:"article"`
	}
	must(must(companion.NewRecords[string](s, "comments")).Put(ctx, "c1", "Good!"))
	articles, comments := must(companion.NewRecords[string](s, "articles")), must(companion.NewRecords[comment](s, "comments"))
	of := must(companion.NewRelation(articles, comments, "article"))
	var undecoded *companion.UndecodedError
	fmt.Println(errors.As(of.Undecoded(ctx), &undecoded), undecoded.First.Key)
	// Output: true c1
}

func ExampleRecord_Live() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	must(stock.Put(ctx, "lamps", 7))
	must(stock.Put(ctx, "chairs", 0))
	must(stock.Delete(ctx, "chairs"))
	keys := companion.NewFold(stock, 0, func(n int, before, after companion.Record[int]) int {
		if before.Live() {
			n--
		}
		if after.Live() {
			n++
		}
		return n
	})
	fmt.Println(keys.Read(ctx, func(n int, _ uint64) { fmt.Println(n) }))
	// Output:
	// 1
	// <nil>
}
