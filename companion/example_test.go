// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

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

// A wall is a clock for examples, which the store may ask at any time.
type wall struct{ nanos atomic.Int64 }

func newWall(year int, month time.Month, day int) *wall {
	w := new(wall)
	w.nanos.Store(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).UnixNano())
	return w
}

func (w *wall) now() time.Time          { return time.Unix(0, w.nanos.Load()).UTC() }
func (w *wall) advance(d time.Duration) { w.nanos.Add(int64(d)) }
