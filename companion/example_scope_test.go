// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/igniter-store/igniter/companion"
)

func ExampleRecords_Scope() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	cheap := must(articles.Scope("cheap", companion.Filter[Article]{
		Match: func(_ string, a Article) bool { return a.Price < 50 },
	}))
	first := must(articles.Put(ctx, "lamp", Article{Title: "Lamp", Price: 40}))
	must(articles.Put(ctx, "lamp", Article{Title: "Lamp", Price: 60}))
	then := companion.Query{At: companion.Moment{Seq: first.Seq}}
	for article, err := range cheap.List(ctx, then) {
		fmt.Println(article.Value.Title, err)
	}
	fmt.Println(cheap.Count(), "now")

	_, err := articles.Scope("typo", companion.Filter[Article]{Where: map[string]any{"prize": 40}})
	fmt.Println(err)
	// Output:
	// Lamp <nil>
	// 0 now
	// companion: scope "typo" of store "articles": backend: invalid prize: companion_test.Article has no field "prize": its fields are title, price
}

func ExampleScope_Watch() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	lamps := must(articles.Scope("lamps", companion.Filter[Article]{Where: map[string]any{"title": "Lamp"}}))
	must(articles.Put(ctx, "a1", Article{Title: "Lamp", Price: 40}))
	must(articles.Put(ctx, "a2", Article{Title: "Chair", Price: 80}))
	must(articles.Put(ctx, "a1", Article{Title: "Lamp", Price: 45}))
	must(articles.Delete(ctx, "a1"))
	for event, err := range lamps.Watch(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Transition, event.Record.Key, event.Record.Seq)
		if event.Record.Seq == s.Head() {
			break // an app goes on
		}
	}
	// Output:
	// entered a1 1
	// updated a1 3
	// left a1 4
}

// Fields are named as in JSON, nested ones with dots.
func ExampleFilter() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	type person struct {
		Name string `json:"name"`
		Home struct {
			City string `json:"city"`
		} `json:"home"`
	}
	people := must(companion.NewRecords[person](s, "people"))
	as := must(people.Scope("As in Bern", companion.Filter[person]{
		Where: map[string]any{"home.city": "Bern"},
		Match: func(_ string, p person) bool { return strings.HasPrefix(p.Name, "A") },
	}))
	for i, name := range []string{"Ana", "Bob", "Abe"} {
		p := person{Name: name}
		p.Home.City = []string{"Bern", "Bern", "Basel"}[i]
		must(people.Put(ctx, name, p))
	}
	for p, err := range as.List(ctx, companion.Query{}) {
		fmt.Println(p.Key, err)
	}
	_, err := people.Scope("typo", companion.Filter[person]{Where: map[string]any{"home.town": "Bern"}})
	fmt.Println(err)
	// Output:
	// Ana <nil>
	// companion: scope "typo" of store "people": backend: invalid home.town: struct { City string "json:\"city\"" } has no field "town": its fields are city
}

// The first read of a scope builds its index, unless Build did.
func ExampleScope_Build() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	numbers := must(companion.NewRecords[int](s, "numbers"))
	for n := range 10 {
		must(numbers.Put(ctx, fmt.Sprint(n), n))
	}
	even := must(numbers.Scope("even", companion.Filter[int]{Match: func(_ string, n int) bool { return n%2 == 0 }}))
	even.Build()
	must(numbers.Put(ctx, "1", 100)) // from now on each write updates it
	fmt.Println(even.Count())
	for n, err := range even.List(ctx, companion.Query{ByKey: true, Descending: true, Limit: 2}) {
		fmt.Println(n.Key, n.Value, err)
	}
	// Output:
	// 6
	// 8 8 <nil>
	// 6 6 <nil>
}

// A view of a scope follows its events.
func ExampleScopeEvent() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	tasks := must(companion.NewRecords[bool](s, "tasks")) // is it done?
	open := must(tasks.Scope("open", companion.Filter[bool]{Match: func(_ string, done bool) bool { return !done }}))
	must(tasks.Put(ctx, "milk", false))
	must(tasks.Put(ctx, "rent", false))
	must(tasks.Put(ctx, "rent", false))
	must(tasks.Put(ctx, "milk", true))
	view := map[string]bool{}
	for event, err := range open.Watch(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		switch event.Transition {
		case companion.Entered, companion.Updated:
			view[event.Record.Key] = true
		case companion.Left:
			delete(view, event.Record.Key)
		}
		fmt.Println(event.Transition, event.Record.Key, view)
		if event.Record.Seq == s.Head() {
			break // an app goes on, and keeps the seq to begin after next time
		}
	}
	// Output:
	// entered milk map[milk:true]
	// entered rent map[milk:true rent:true]
	// updated rent map[milk:true rent:true]
	// left milk map[rent:true]
}
