package companion_test

import (
	"context"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/companion"
)

type Article struct {
	Title string `json:"title"`
	Price int    `json:"price"`
}

type Comment struct {
	Article string `json:"article"`
	Text    string `json:"text"`
}

// must keeps the examples short: an app returns its errors.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// exampleStore returns a Store in memory.
func exampleStore() *companion.Store {
	s, err := companion.Open(context.Background(), companion.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

func Example() {
	ctx := context.Background()
	s, err := companion.Open(ctx, companion.Options{}) // in memory
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	articles, err := companion.NewRecords[Article](s, "articles")
	if err != nil {
		log.Fatal(err)
	}

	first, err := articles.Put(ctx, "a1", Article{Title: "Lamp", Price: 40})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := articles.Put(ctx, "a1", Article{Title: "Lamp", Price: 45}); err != nil {
		log.Fatal(err)
	}

	now, err := articles.Get(ctx, "a1")
	if err != nil {
		log.Fatal(err)
	}
	then, err := articles.GetAt(ctx, "a1", companion.Moment{Seq: first.Seq})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(now.Value.Price, "now,", then.Value.Price, "before")
	// Output: 45 now, 40 before
}
