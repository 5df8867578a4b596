// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// The context carries the producer, so that an app sets it once, where it knows its user.
func ExampleWithProducer() {
	ctx := companion.WithProducer(context.Background(), map[string]string{"user": "ana", "why": "typo"})
	s := exampleStore()
	defer s.Close()
	articles, _ := companion.NewRecords[Article](s, "articles")
	if _, err := articles.Put(ctx, "a1", Article{Title: "Lamp"}); err != nil {
		log.Fatal(err)
	}
	article, err := articles.Get(ctx, "a1")
	fmt.Println(string(article.Producer), err)
	// Output: {"user":"ana","why":"typo"} <nil>
}

// Two records change together, and only if no one else has changed them.
func ExampleStore_Write() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	balances, _ := companion.NewRecords[int](s, "balances")
	receipts, err := s.Write(ctx, balances.Change("ana", 100).IfNew(), balances.Change("bob", 0).IfNew())
	if err != nil {
		log.Fatal(err)
	}
	transfer := []companion.Change{
		balances.Change("ana", 70).IfLatest(receipts[0].ID),
		balances.Change("bob", 30).IfLatest(receipts[1].ID),
	}
	_, err = s.Write(ctx, transfer...)
	fmt.Println(err)
	_, err = s.Write(ctx, transfer...) // on a stale read
	fmt.Println(errors.Is(err, backend.ErrConflict))
	// Output:
	// <nil>
	// true
}

// A change is made first and written later, with others or on a condition.
func ExampleChange() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	first := must(s.Write(ctx, stock.Change("lamp", 3).IfNew()))
	_, err := s.Write(ctx, stock.Change("lamp", 5).IfNew())
	fmt.Println(errors.Is(err, companion.ErrConflict))

	must(s.Write(ctx, stock.Change("lamp", 2).IfLatest(first[0].ID)))
	fmt.Println(must(stock.Get(ctx, "lamp")).Value)
	// Output:
	// true
	// 2
}

// A change with the ID of a request is written once, although the request comes twice.
func ExampleChange_WithID() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	orders := must(companion.NewEvents[string](s, "orders"))
	for range 2 {
		receipts := must(s.Write(ctx, orders.Event("a lamp").WithID("request-17")))
		fmt.Println(receipts[0].ID, receipts[0].Seq)
	}
	_, err := s.Write(ctx, orders.Event("a chair").WithID("request-17"))
	fmt.Println(errors.Is(err, companion.ErrIDReused))
	// Output:
	// request-17 1
	// request-17 1
	// true
}

// Valid times can lie in the past.
func ExampleChange_ValidFrom() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	day := func(d int) time.Time { return time.Date(2026, time.March, d, 0, 0, 0, 0, time.UTC) }
	homes := must(companion.NewRecords[string](s, "homes"))
	must(s.Write(ctx,
		homes.Change("ana", "Bern").ValidFrom(day(1)),
		homes.Change("ana", "Basel").ValidFrom(day(20)),
	))
	for _, d := range []int{10, 25} {
		home := must(homes.GetAt(ctx, "ana", companion.Moment{Valid: day(d)}))
		fmt.Println(home.ValidTime.Format(time.DateOnly), home.Value)
	}
	// Output:
	// 2026-03-01 Bern
	// 2026-03-20 Basel
}

// An app that derives values on its own can record their sources; see Derive for rules that do so.
func ExampleChange_DerivedFrom() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "prices"))
	must(s.Write(ctx, prices.Change("lamp", 45).DerivedFrom(map[string]string{"report": "2026-03.pdf"})))
	fmt.Println(string(must(prices.Get(ctx, "lamp")).Derivation))
	// Output: {"report":"2026-03.pdf"}
}

func ExampleRecords_Deletion() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	drafts := must(companion.NewRecords[string](s, "drafts"))
	articles := must(companion.NewRecords[Article](s, "articles"))
	must(drafts.Put(ctx, "lamp", "a lamp, 40"))
	must(s.Write(ctx, drafts.Deletion("lamp"), articles.Change("lamp", Article{Title: "Lamp", Price: 40})))
	_, err := drafts.Get(ctx, "lamp")
	fmt.Println(err)
	fmt.Println(must(articles.Get(ctx, "lamp")).Value)
	// Output:
	// companion: get key "lamp" in store "drafts": store: not found
	// {Lamp 40}
}

// One goroutine writes a thousand values without waiting for each, and looks at the outcomes afterwards.
func ExampleStore_WriteAsync() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	var pending []companion.Pending
	for n := range 1000 {
		p, err := s.WriteAsync(ctx, stock.Change(fmt.Sprint("part-", n), n))
		if err != nil {
			log.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if _, err := p.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(must(stock.Get(ctx, "part-999")).Value)
	// Output: 999
}

// A consumer of a queue confirms each message once its change is written, and reads on meanwhile.
func ExamplePending() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	first := must(s.WriteAsync(ctx, stock.Change("lamp", 3).IfNew()))
	second := must(s.WriteAsync(ctx, stock.Change("lamp", 4).IfNew()))
	<-second.Done() // and so is the first, since they are written in their order
	_, err := first.Wait(ctx)
	fmt.Println(err)
	_, err = second.Wait(ctx)
	fmt.Println(errors.Is(err, companion.ErrConflict))
	// Output:
	// <nil>
	// true
}
