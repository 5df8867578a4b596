// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/igniter-store/igniter/companion"
)

// A lock can be taken again once it was given up.
func ExampleChange_IfAbsent() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	locks := must(companion.NewRecords[string](s, "locks"))
	take := func(who string) error {
		_, err := s.Write(ctx, locks.Change("job", who).IfAbsent())
		return err
	}
	fmt.Println(take("ana"), errors.Is(take("bob"), companion.ErrConflict))
	must(locks.Delete(ctx, "job"))
	fmt.Println(take("bob"))
	// Output:
	// <nil> true
	// <nil>
}

// A total is written only if what it was made from is unchanged.
func ExampleRecords_Condition() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	must(stock.Put(ctx, "lamps", 7))
	lamps := must(stock.Get(ctx, "lamps"))
	must(stock.Put(ctx, "lamps", 8)) // meanwhile
	_, err := s.Write(ctx, stock.Condition("lamps").IfLatest(lamps.ID), stock.Change("total", lamps.Value))
	fmt.Println(errors.Is(err, companion.ErrConflict))
	// Output: true
}

// A price that is known ahead is current, and not valid yet.
func ExampleValidNow() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	must(prices.Put(ctx, "lamp", 40))
	must(s.Write(ctx, prices.Change("lamp", 50).ValidFrom(time.Now().AddDate(0, 1, 0))))
	fmt.Println(must(prices.Get(ctx, "lamp")).Value)
	fmt.Println(must(prices.GetAt(ctx, "lamp", companion.ValidNow())).Value)
	// Output:
	// 50
	// 40
}
