// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

// An auditor gets a lineage as JSON and later has it checked against the log.
func ExampleStore_VerifyLineage() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	must(prices.Put(companion.WithProducer(ctx, "ana"), "lamp", 40))
	latest := must(prices.Put(companion.WithProducer(ctx, "bob"), "lamp", 45))

	text := must(json.Marshal(must(s.Lineage(latest.ID))))
	var received companion.Lineage
	if err := json.Unmarshal(text, &received); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(received.Facts), "facts", s.VerifyLineage(received))
	received.Facts[0].Producer = json.RawMessage(`"bob"`)
	fmt.Println(errors.Is(s.VerifyLineage(received), backend.ErrCorrupt))

	_, err := s.Lineage("unheard of")
	fmt.Println(err)
	// Output:
	// 2 facts <nil>
	// true
	// store: lineage: store: not found: fact "unheard of"
}

// A FactRef tells who wrote which fact when, without its value.
func ExampleFactRef() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	for i, who := range []string{"ana", "bob"} {
		must(prices.Put(companion.WithProducer(ctx, who), "lamp", 40+i))
	}
	latest := must(prices.Get(ctx, "lamp"))
	var facts []companion.FactRef = must(s.Lineage(latest.ID)).Facts
	for _, f := range facts {
		fmt.Println(f.Seq, f.Key, "by", string(f.Producer), f.ValueHash[:8])
	}
	fmt.Println(facts[1].Causation == facts[0].ID)
	// Output:
	// 1 lamp by "ana" d59eced1
	// 2 lamp by "bob" 3d914f93
	// true
}

// A lineage names the facts that were pruned.
func ExampleLineage() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	if err := prices.Retain(companion.Retention{Versions: 1}); err != nil {
		log.Fatal(err)
	}
	first := must(prices.Put(ctx, "lamp", 40))
	latest := must(prices.Put(ctx, "lamp", 45))
	must(s.Compact(ctx))
	var l companion.Lineage = must(s.Lineage(latest.ID))
	fmt.Println(len(l.Facts), l.Missing[0] == first.ID)
	// Output: 1 true
}

// A Store that has loaded only some stores reports facts of others as dropped, not as missing.
func ExampleStore_Lineage_dropped() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	writer := must(companion.New(ctx, facts, companion.Options{}))
	defer writer.Close()
	orders, bills := must(companion.NewRecords[int](writer, "orders")), must(companion.NewRecords[int](writer, "bills"))
	err := orders.Derive("bill", 1, func(_ context.Context, order companion.Record[int]) (companion.Derived, error) {
		return companion.Derived{Changes: []companion.Change{bills.Change(order.Key, 10*order.Value)}}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	order := must(orders.Put(ctx, "o1", 2))

	s := must(companion.New(ctx, facts, companion.Options{Stores: []string{"bills"}}))
	defer s.Close()
	bill := must(must(companion.NewRecords[int](s, "bills")).Get(ctx, "o1"))
	_, err = s.Lineage(bill.ID)
	fmt.Println(bill.Value, errors.Is(err, companion.ErrDropped))
	_, err = s.Lineage(order.ID)
	fmt.Println(errors.Is(err, companion.ErrDropped))
	if err := s.Load(ctx, "orders"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(must(s.Lineage(bill.ID)).Facts), "facts")
	// Output:
	// 20 true
	// true
	// 2 facts
}
