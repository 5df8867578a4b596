// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

// Options name the backend, and Open checks them.
func ExampleOpen() {
	ctx := context.Background()
	s, err := companion.Open(ctx, companion.Options{Backend: "memory"})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, err = companion.Open(ctx, companion.Options{Backend: "memory", Path: "/var/lib/shop"})
	fmt.Println(err)
	// Output: companion: open: backend: invalid path: backend "memory" does not use it; it uses max_frame
}

// New takes an open backend, here one that two Stores share.
func ExampleNew() {
	ctx := context.Background()
	shared := memory.New(memory.Options{})
	defer shared.Close()
	one, err := companion.New(ctx, shared, companion.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer one.Close()
	other, err := companion.New(ctx, shared, companion.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()

	mine, _ := companion.NewRecords[string](one, "greetings")
	theirs, _ := companion.NewRecords[string](other, "greetings")
	receipt, err := mine.Put(ctx, "en", "hello")
	if err != nil {
		log.Fatal(err)
	}
	if err := other.Engine().WaitFor(ctx, receipt.Seq); err != nil {
		log.Fatal(err)
	}
	greeting, err := theirs.Get(ctx, "en")
	fmt.Println(greeting.Value, err)
	// Output: hello <nil>
}

func ExampleStore_Sync() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	must(articles.Put(ctx, "lamp", Article{Title: "Lamp"}))
	if err := s.Sync(ctx); err != nil { // every write that any process has got a receipt for is visible now
		log.Fatal(err)
	}
	fmt.Println(must(articles.Get(ctx, "lamp")).Value.Title)
	// Output: Lamp
}

// A consumer stores how far it has come, to go on there after a restart. If the log was restored to an earlier seq since, or
// is another one, Resume says so.
func ExampleStore_Resume() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	orders := must(companion.NewEvents[string](s, "orders"))
	receipt := must(orders.Append(ctx, "two lamps"))
	must(orders.Append(ctx, "a chair"))
	handled := backend.Cursor{Log: s.Cursor().Log, Seq: receipt.Seq}.String()

	cursor := must(backend.ParseCursor(handled))
	after := must(s.Resume(ctx, cursor))
	for r, err := range orders.Since(ctx, after) {
		fmt.Println(r.Value, err)
	}
	cursor.Log = backend.NewLogID() // of another log
	_, err := s.Resume(ctx, cursor)
	fmt.Println(errors.Is(err, backend.ErrDiverged))
	// Output:
	// a chair <nil>
	// true
}

func ExampleStore_Cursor() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	must(must(companion.NewRecords[int](s, "stock")).Put(ctx, "lamps", 3))
	must(0, s.Sync(ctx))
	fmt.Println(s.Cursor().Seq)
	// Output: 1
}

// Several reads see one state, although others write in between.
func ExampleStore_Head() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	must(stock.Put(ctx, "lamps", 3))
	must(stock.Put(ctx, "chairs", 4))
	at := companion.Query{At: companion.AsOf(s.Head())}
	for range 2 {
		sum := 0
		for r, err := range stock.List(ctx, at) {
			if err != nil {
				log.Fatal(err)
			}
			sum += r.Value
		}
		fmt.Println(sum, "of", must(stock.GetAt(ctx, "lamps", at.At)).Value, "lamps and the rest")
		must(stock.Put(ctx, "lamps", 0))
	}
	// Output:
	// 7 of 3 lamps and the rest
	// 7 of 3 lamps and the rest
}

func ExampleAsOf() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	receipt := must(stock.Put(ctx, "lamps", 3))
	must(stock.Put(ctx, "lamps", 2))
	_, err := stock.GetAt(ctx, "lamps", companion.AsOf(receipt.Seq-1))
	fmt.Println(must(stock.GetAt(ctx, "lamps", companion.AsOf(receipt.Seq))).Value, errors.Is(err, companion.ErrNotFound))
	// Output: 3 true
}

// A snapshot makes the log smaller and faster to open, and does not change what is read.
func ExampleStore_Snapshot() {
	ctx := context.Background()
	dir := must(os.MkdirTemp("", "example"))
	defer os.RemoveAll(dir)
	opts := companion.Options{Backend: "file", Path: dir}
	for range 2 {
		s := must(companion.Open(ctx, opts))
		visits := must(companion.NewEvents[string](s, "visits"))
		must(visits.Append(ctx, "ana"))
		if err := s.Snapshot(ctx); err != nil {
			log.Fatal(err)
		}
		n := 0
		for _, err := range visits.Since(ctx, 0) {
			if err != nil {
				log.Fatal(err)
			}
			n++
		}
		fmt.Println(n, "visits", s.Close())
	}
	// Output:
	// 1 visits <nil>
	// 2 visits <nil>
}

// After Close, writes fail and reads go on from memory.
func ExampleStore_Close() {
	ctx := context.Background()
	s := exampleStore()
	stock := must(companion.NewRecords[int](s, "stock"))
	must(stock.Put(ctx, "lamps", 3))
	fmt.Println(s.Close())
	_, err := stock.Put(ctx, "lamps", 2)
	fmt.Println(errors.Is(err, companion.ErrClosed))
	fmt.Println(must(stock.Get(ctx, "lamps")).Value)
	// Output:
	// <nil>
	// true
	// 3
}

// Progress is reported while a long log is read.
func ExampleOpenProgress() {
	ctx := context.Background()
	shared := memory.New(memory.Options{})
	defer shared.Close()
	first := must(companion.New(ctx, shared, companion.Options{}))
	stock := must(companion.NewRecords[int](first, "stock"))
	for n := range 3 {
		must(stock.Put(ctx, "lamps", n))
	}
	fmt.Println(first.Close())
	again := must(companion.New(ctx, shared, companion.Options{Progress: func(p companion.OpenProgress) {
		fmt.Println(p.Facts, "of", p.Total)
	}}))
	fmt.Println(again.Close())
	// Output:
	// <nil>
	// 3 of 3
	// <nil>
}

// An unreachable server is told apart from invalid options.
func ExampleOpen_unavailable() {
	_, err := companion.Open(context.Background(), companion.Options{Backend: "network", Address: "127.0.0.1:1"})
	fmt.Println(errors.Is(err, companion.ErrUnavailable), errors.Is(err, companion.ErrInvalid))
	// Output: true false
}

// A health check shows whether the Store follows its log; reads go on from memory if it does not.
func ExampleStore_Health() {
	s := exampleStore()
	fmt.Println(s.Health().Healthy())
	s.Close()
	fmt.Println(s.Health().Err)
	// Output:
	// true
	// store: the engine is closed: backend: closed
}

// Health has where the Store is in its log.
func ExampleHealth() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	titles := must(companion.NewRecords[string](s, "titles"))
	must(titles.Put(ctx, "a1", "Lamp"))
	fmt.Println(s.Health().Head)
	// Output: 1
}
