// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/companion"
)

func ExampleQuery() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	for _, key := range []string{"lamp-2", "chair-1", "lamp-1", "lamp-3"} {
		must(articles.Put(ctx, key, Article{Title: key}))
	}
	for article, err := range articles.List(ctx, companion.Query{Prefix: "lamp-", ByKey: true, Descending: true, Limit: 2}) {
		fmt.Println(article.Key, err)
	}
	// Output:
	// lamp-3 <nil>
	// lamp-2 <nil>
}

// Records are read page by page, in the order of a field.
func ExampleRecords_Query() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	for key, price := range map[string]int{"lamp": 40, "chair": 80, "vase": 15, "candle": 15} {
		must(articles.Put(ctx, key, Article{Price: price}))
	}
	q := companion.Query{OrderBy: "price", Limit: 3}
	for more := true; more; more = q.Cursor != "" {
		page, err := articles.Query(ctx, q)
		if err != nil {
			log.Fatal(err)
		}
		for _, a := range page.Records {
			fmt.Println(a.Key, a.Value.Price)
		}
		fmt.Println("end of page")
		q.Cursor = page.Next
	}
	// Output:
	// candle 15
	// vase 15
	// lamp 40
	// end of page
	// chair 80
	// end of page
}

// A client that gets a page asks for the next one with its cursor.
func ExampleResults() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	numbers := must(companion.NewRecords[int](s, "numbers"))
	for n := range 6 {
		must(numbers.Put(ctx, fmt.Sprint("n", n), n))
	}
	even := must(numbers.Scope("even", companion.Filter[int]{Match: func(_ string, n int) bool { return n%2 == 0 }}))
	var first companion.Results[int] = must(even.Query(ctx, companion.Query{Limit: 2}))
	second := must(even.Query(ctx, companion.Query{Limit: 2, Cursor: first.Next}))
	for _, page := range []companion.Results[int]{first, second} {
		fmt.Println(len(page.Records), "from", page.Records[0].Key, "on, more:", page.Next != "")
	}
	_, err := even.Query(ctx, companion.Query{Limit: 2, Cursor: first.Next, Descending: true})
	fmt.Println(errors.Is(err, companion.ErrInvalid)) // the cursor is of another query
	// Output:
	// 2 from n0 on, more: true
	// 1 from n4 on, more: false
	// true
}
