package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

type Article struct {
	Title string `json:"title"`
	Price int    `json:"price"`
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

// Options are a part of the app's own configuration.
func ExampleOptions() {
	var config struct {
		Name  string            `yaml:"name"`
		Store companion.Options `yaml:"store"`
	}
	err := yaml.Unmarshal([]byte("name: shop\nstore:\n  backend: memory\n"), &config)
	fmt.Println(config.Store.Backend, err)

	err = yaml.Unmarshal([]byte("name: shop\nstore:\n  bakend: memory\n"), &config)
	var invalid *backend.InvalidError
	fmt.Println(errors.As(err, &invalid), invalid.Field)
	// Output:
	// memory <nil>
	// true bakend
}

func ExampleReadOptions() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "store.yaml")
	if err := os.WriteFile(path, []byte("backend: memory\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	opts, err := companion.ReadOptions(path)
	fmt.Println(opts.Backend, err)
	// Output: memory <nil>
}

// New takes a backend that is open already, here one that several Stores share.
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

// exampleStore returns a Store in memory.
func exampleStore() *companion.Store {
	s, err := companion.Open(context.Background(), companion.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return s
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
	// companion: not found: key "a1" in store "articles"
}

// A price that was learned late: what is true, and what was thought to be.
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
	for version, err := range articles.History(ctx, "a1") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d retracted:%t %+v by %s\n", version.Version, version.Retracted, version.Value, version.Producer)
	}
	// Output:
	// 1 retracted:false {Title:Lamp Price:40} by {"who":"ana"}
	// 2 retracted:false {Title:Lamp Price:45} by {"who":"ana"}
	// 3 retracted:true {Title: Price:0} by
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

// Two records change together, and only if nobody was faster.
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

func ExampleHistory() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	logins, err := companion.NewHistory[string](s, "logins")
	if err != nil {
		log.Fatal(err)
	}
	first, err := logins.Append(ctx, "ana")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := logins.Append(ctx, "bob"); err != nil {
		log.Fatal(err)
	}
	for login, err := range logins.Since(ctx, first.Seq) {
		fmt.Println(login.Value, err)
	}
	// Output: bob <nil>
}

// Options name the backend; what is wrong with them is said by Open.
func ExampleOpen() {
	ctx := context.Background()
	s, err := companion.Open(ctx, companion.Options{Backend: "memory"})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, err = companion.Open(ctx, companion.Options{Backend: "memory", Path: "/var/lib/shop"})
	fmt.Println(err)
	// Output: companion: open: backend: invalid path: backend "memory" does not use it; it uses no settings
}

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

// A receipt says what the log made of the write.
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

// What is deleted is gone now, and not from the past.
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

// Who writes is said once, by the context, for instance where an app knows its user.
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
