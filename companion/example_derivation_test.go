// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

func ExampleRecords_Derive() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	titles := must(companion.NewRecords[string](s, "titles"))
	err := articles.Derive("titles", 1, func(_ context.Context, a companion.Record[Article]) (companion.Derived, error) {
		if a.Retracted {
			return companion.Derived{Changes: []companion.Change{titles.Deletion(a.Key)}}, nil
		}
		return companion.Derived{Changes: []companion.Change{titles.Change(a.Key, a.Value.Title)}}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	must(articles.Put(ctx, "a1", Article{Title: "Lamp"}))
	title := must(titles.Get(ctx, "a1"))
	lineage := must(s.Lineage(title.ID))
	for _, f := range lineage.Facts {
		fmt.Println(f.Seq, f.Store, f.Key)
	}
	fmt.Println(title.Value, s.VerifyLineage(lineage))
	// Output:
	// 2 articles a1
	// 3 titles a1
	// Lamp <nil>
}

func ExampleDerivationError() {
	ctx := context.Background()
	s := must(companion.Open(ctx, companion.Options{DerivationFailed: func(err error) {
		var failed *companion.DerivationError
		fmt.Println(errors.As(err, &failed), failed.Rule, failed.Err)
	}}))
	defer s.Close()
	notes := must(companion.NewRecords[string](s, "notes"))
	err := notes.Derive("words", 1, func(context.Context, companion.Record[string]) (companion.Derived, error) {
		return companion.Derived{}, errors.New("no dictionary")
	})
	if err != nil {
		log.Fatal(err)
	}
	must(notes.Put(ctx, "n", "the write is not lost"))
	fmt.Println(must(notes.Get(ctx, "n")).Value)
	// Output:
	// true words no dictionary
	// the write is not lost
}

// An order becomes several facts (scatter), made from other records too (gather).
func ExampleDerived() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	sales := must(companion.NewRecords[int](s, "sales"))
	orders := must(companion.NewEvents[string](s, "orders"))
	bills := must(companion.NewEvents[string](s, "bills"))
	err := orders.Derive("bill", 2, func(ctx context.Context, order companion.Record[string]) (companion.Derived, error) {
		price, err := prices.Get(ctx, order.Value)
		if err != nil {
			return companion.Derived{}, err
		}
		sold, err := sales.Get(ctx, order.Value)
		if err != nil && !errors.Is(err, companion.ErrNotFound) {
			return companion.Derived{}, err
		}
		return companion.Derived{
			Changes: []companion.Change{
				bills.Event(fmt.Sprintf("%s: %d", order.Value, price.Value)),
				sales.Change(order.Value, sold.Value+1),
			},
			From: []companion.Source{{Store: "prices", ID: price.ID}},
		}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	must(prices.Put(ctx, "lamp", 40))
	for range 2 {
		must(orders.Append(ctx, "lamp"))
	}
	for bill, err := range bills.Since(ctx, 0) {
		fmt.Println(bill.Value, err)
	}
	fmt.Println(must(sales.Get(ctx, "lamp")).Value, "sold")
	// Output:
	// lamp: 40 <nil>
	// lamp: 40 <nil>
	// 2 sold
}

// A rule can be over events.
func ExampleEvents_Derive() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	logins := must(companion.NewEvents[string](s, "logins"))
	last := must(companion.NewRecords[uint64](s, "last"))
	err := logins.Derive("last", 1, func(_ context.Context, login companion.Record[string]) (companion.Derived, error) {
		return companion.Derived{Changes: []companion.Change{last.Change(login.Value, login.Seq)}}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	must(logins.Append(ctx, "ana"))
	must(logins.Append(ctx, "ana"))
	fmt.Println(must(last.Get(ctx, "ana")).Value)
	// Output: 5
}

// What a process without the rule wrote is derived from once it is asked for, or when the rule is declared again.
func ExampleStore_Rederive() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	billing := must(companion.New(ctx, facts, companion.Options{}))
	defer billing.Close()
	bills := must(companion.NewEvents[string](billing, "bills"))
	err := must(companion.NewRecords[string](billing, "orders")).Derive("bill", 1, func(_ context.Context, order companion.Record[string]) (companion.Derived, error) {
		return companion.Derived{Changes: []companion.Change{bills.Event("bill for " + order.Value)}}, nil
	})
	if err != nil {
		log.Fatal(err)
	}

	shop := must(companion.New(ctx, facts, companion.Options{}))
	defer shop.Close()
	must(must(companion.NewRecords[string](shop, "orders")).Put(ctx, "o1", "lamp"))

	if err := billing.Sync(ctx); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		fmt.Println(billing.Rederive(ctx))
	}
	for bill, err := range bills.Since(ctx, 0) {
		fmt.Println(bill.Value, err)
	}
	// Output:
	// <nil>
	// <nil>
	// bill for lamp <nil>
}

// A source names a fact, with its store: facts of different stores may have the same ID.
func ExampleSource() {
	fmt.Println(companion.Source{Store: "prices", ID: "price-17"})
	// Output: {prices price-17}
}
