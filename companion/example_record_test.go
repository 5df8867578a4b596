// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

func ExampleNewRecords() {
	s := exampleStore()
	defer s.Close()
	_, err := companion.NewRecords[Article](s, "articles")
	fmt.Println(err)
	_, err = companion.NewRecords[Article](s, "")
	fmt.Println(err)
	// Output:
	// <nil>
	// companion: store "": backend: invalid store: empty
}

// A receipt has the place of the fact in the log, its hash and its cause.
func ExampleRecords_Put() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles, _ := companion.NewRecords[Article](s, "articles")
	first, err := articles.Put(ctx, "a1", Article{Title: "Lamp", Price: 40})
	if err != nil {
		log.Fatal(err)
	}
	second, err := articles.Put(ctx, "a1", Article{Title: "Lamp", Price: 45})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.Seq, second.Seq, second.Causation == first.ID)
	fmt.Println(second.Hash[:12])
	// Output:
	// 1 2 true
	// 9de35c13876b
}

func ExampleRecords_Get() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles, _ := companion.NewRecords[Article](s, "articles")
	_, err := articles.Get(ctx, "a1")
	fmt.Println(errors.Is(err, companion.ErrNotFound))
	fmt.Println(err)
	// Output:
	// true
	// companion: get key "a1" in store "articles": store: not found
}

// A price is learned late: reads tell what is true now and what was thought to be true before.
func ExampleRecords_GetAt() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	day := func(d int) time.Time { return time.Date(2026, time.March, d, 0, 0, 0, 0, time.UTC) }
	articles, _ := companion.NewRecords[Article](s, "articles")
	old, err := s.Write(ctx, articles.Change("a1", Article{Price: 40}).ValidFrom(day(1)))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Write(ctx, articles.Change("a1", Article{Price: 45}).ValidFrom(day(10))); err != nil {
		log.Fatal(err)
	}
	for _, m := range []companion.Moment{
		{Valid: day(5)},
		{Valid: day(15)},
		{Valid: day(15), Seq: old[0].Seq},
	} {
		article, err := articles.GetAt(ctx, "a1", m)
		fmt.Println(article.Value.Price, err)
	}
	// Output:
	// 40 <nil>
	// 45 <nil>
	// 40 <nil>
}

func ExampleRecords_Update() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	for range 2 {
		must(stock.Update(ctx, "lamps", func(old companion.Record[int]) (int, error) {
			if old.Seq == 0 {
				return 1, nil // the first one
			}
			return old.Value + 1, nil
		}))
	}
	_, err := stock.Update(ctx, "lamps", func(old companion.Record[int]) (int, error) {
		return 0, errors.New("sold out")
	})
	fmt.Println(must(stock.Get(ctx, "lamps")).Value, err)
	// Output: 2 companion: update key "lamps" in store "stock": sold out
}

// A deleted record has no value now, and keeps its past.
func ExampleRecords_Delete() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles, _ := companion.NewRecords[Article](s, "articles")
	written, err := articles.Put(ctx, "a1", Article{Title: "Lamp"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := articles.Delete(ctx, "a1"); err != nil {
		log.Fatal(err)
	}
	_, err = articles.Get(ctx, "a1")
	fmt.Println(errors.Is(err, companion.ErrNotFound))
	then, err := articles.GetAt(ctx, "a1", companion.Moment{Seq: written.Seq})
	fmt.Println(then.Value.Title, err)
	// Output:
	// true
	// Lamp <nil>
}

func ExampleRecords_List() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles, _ := companion.NewRecords[Article](s, "articles")
	for _, key := range []string{"lamp", "table"} {
		if _, err := articles.Put(ctx, key, Article{Title: key}); err != nil {
			log.Fatal(err)
		}
	}
	for article, err := range articles.List(ctx, companion.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(article.Key, article.Seq)
	}
	// Output:
	// lamp 1
	// table 2
}

func ExampleRecords_History() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles, _ := companion.NewRecords[Article](s, "articles")
	ana := companion.WithProducer(ctx, map[string]string{"who": "ana"})
	for _, price := range []int{40, 45} {
		if _, err := articles.Put(ana, "a1", Article{Title: "Lamp", Price: price}); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := articles.Delete(ctx, "a1"); err != nil {
		log.Fatal(err)
	}
	for version, err := range articles.History(ctx, "a1", companion.Moment{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d retracted:%t by:%s %+v\n", version.Version, version.Retracted, version.Producer, version.Value)
	}
	for version, err := range articles.History(ctx, "a1", companion.AsOf(1)) {
		fmt.Println("as of seq 1:", version.Value, err)
	}
	// Output:
	// 1 retracted:false by:{"who":"ana"} {Title:Lamp Price:40}
	// 2 retracted:false by:{"who":"ana"} {Title:Lamp Price:45}
	// 3 retracted:true by: {Title: Price:0}
	// as of seq 1: {Lamp 40} <nil>
}

func ExampleRecords_Upcast() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	prices := must(companion.NewRecords[int](s, "articles")) // the first version of the app
	must(prices.Put(ctx, "lamp", 40))

	articles := must(companion.NewRecords[Article](s, "articles"))
	err := articles.Upcast(func(value json.RawMessage) (json.RawMessage, error) {
		return fmt.Appendf(nil, `{"title":"?","price":%s}`, value), nil
	})
	if err != nil {
		log.Fatal(err)
	}
	must(articles.Put(ctx, "chair", Article{Title: "Chair", Price: 80}))
	for a, err := range articles.List(ctx, companion.Query{}) {
		fmt.Println(a.Key, a.Value, "written as version", a.Schema, err)
	}
	// Output:
	// lamp {? 40} written as version 1 <nil>
	// chair {Chair 80} written as version 2 <nil>
}

// A record has more than a value.
func ExampleRecord() {
	ctx := companion.WithProducer(context.Background(), "ana")
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	must(articles.Put(ctx, "a1", Article{Title: "Lamp", Price: 40}))
	must(articles.Put(ctx, "a1", Article{})) // a zero value is a value
	a := must(articles.Get(ctx, "a1"))
	fmt.Printf("%q is %+v, version %d, by %s\n", a.Key, a.Value, a.Version, a.Producer)
	fmt.Println(a.Retracted, a.Derivation == nil, a.ValidTime.IsZero(), a.Schema)
	// Output:
	// "a1" is {Title: Price:0}, version 2, by "ana"
	// false true true 1
}

// Other processes can wait for a receipt's seq, and read as of it.
func ExampleReceipt() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	receipt := must(articles.Put(ctx, "a1", Article{Title: "Lamp"}))
	must(articles.Put(ctx, "a1", Article{Title: "Lamp, sold"}))
	if err := s.WaitFor(ctx, receipt.Seq); err != nil { // in another process
		log.Fatal(err)
	}
	then := must(articles.GetAt(ctx, "a1", companion.Moment{Seq: receipt.Seq}))
	fmt.Println(then.Value.Title, then.Receipt == receipt, receipt.Causation == "")
	// Output: Lamp true true
}

// Moments ask for what was so, and for what was known of it.
func ExampleMoment() {
	ctx := context.Background()
	now := time.Date(2026, time.March, 5, 0, 0, 0, 0, time.UTC)
	log := memory.New(memory.Options{Now: func() time.Time { return now }})
	defer log.Close()
	s := must(companion.New(ctx, log, companion.Options{}))
	defer s.Close()
	day := func(d int) time.Time { return time.Date(2026, time.March, d, 0, 0, 0, 0, time.UTC) }
	rates := must(companion.NewRecords[float64](s, "rates"))
	must(s.Write(ctx, rates.Change("savings", 2).ValidFrom(day(1))))
	now = day(20)
	must(s.Write(ctx, rates.Change("savings", 2.5).ValidFrom(day(10)))) // learned late

	for _, m := range []companion.Moment{
		{},                              // now
		{Time: day(15)},                 // as it was on the 15th
		{Valid: day(15)},                // what holds of the 15th, as is known now
		{Valid: day(15), Time: day(15)}, // and as was known then
		{Valid: day(5), Seq: s.Head()},  // what holds of the 5th, as of a place in the log
	} {
		fmt.Println(must(rates.GetAt(ctx, "savings", m)).Value)
	}
	_, err := rates.GetAt(ctx, "savings", companion.Moment{Time: day(4)})
	fmt.Println(errors.Is(err, companion.ErrNotFound))
	// Output:
	// 2.5
	// 2
	// 2.5
	// 2
	// 2
	// true
}

// A value that a newer version of the app wrote is an error, and is not misread.
func ExampleRecords_Upcast_newer() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	titles := must(companion.NewRecords[string](s, "titles"))
	keep := func(v json.RawMessage) (json.RawMessage, error) { return v, nil }
	if err := titles.Upcast(keep, keep); err != nil { // this app writes version 3
		log.Fatal(err)
	}
	must(titles.Put(ctx, "a1", "Lamp"))
	if err := titles.Upcast(); err != nil { // and this older one knows version 1
		log.Fatal(err)
	}
	_, err := titles.Get(ctx, "a1")
	fmt.Println(errors.Is(err, companion.ErrNewer))
	// Output: true
}
