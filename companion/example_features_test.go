package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// must keeps the examples short: an app returns its errors.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

type Comment struct {
	Article string `json:"article"`
	Text    string `json:"text"`
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

func ExampleQuery() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	for _, key := range []string{"lamp-2", "chair-1", "lamp-1", "lamp-3"} {
		must(articles.Put(ctx, key, Article{Title: key}))
	}
	page := companion.Query{Prefix: "lamp-", ByKey: true, Limit: 2}
	for n := page.Limit; n == page.Limit; {
		n = 0
		for article, err := range articles.List(ctx, page) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Print(article.Key, " ")
			page.After = article.Key
			n++
		}
		fmt.Println("end of page")
	}
	// Output:
	// lamp-1 lamp-2 end of page
	// lamp-3 end of page
}

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
	// companion: scope "typo" of store "articles": backend: invalid prize: companion_test.Article has no field "prize": there is title, price
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
		fmt.Println(event.Change, event.Record.Key, event.Record.Seq)
		if event.Record.Seq == s.Head() {
			break // an app goes on
		}
	}
	// Output:
	// entered a1 1
	// updated a1 3
	// left a1 4
}

func ExampleHistory_Partition() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	type visit struct {
		Who  string `json:"who"`
		Page string `json:"page"`
	}
	visits := must(companion.NewHistory[visit](s, "visits"))
	byWho := must(visits.Partition("who"))
	for _, v := range []visit{{"ana", "/"}, {"bob", "/"}, {"ana", "/lamps"}} {
		must(visits.Append(ctx, v))
	}
	for v, err := range byWho.Since(ctx, "ana", 0) {
		fmt.Println(v.Value.Page, err)
	}
	// Output:
	// / <nil>
	// /lamps <nil>
}

func ExampleHistory_Tail() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	notes := must(companion.NewHistory[string](s, "notes"))
	must(notes.Append(ctx, "before"))
	for note, err := range notes.Tail(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(note.Value)
		if note.Value == "while reading" {
			break
		}
		must(notes.Append(ctx, "while reading"))
	}
	// Output:
	// before
	// while reading
}

func ExampleNewRelation() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	comments := must(companion.NewRecords[Comment](s, "comments"))
	ofArticle := must(companion.NewRelation(articles, comments, "article"))
	must(articles.Put(ctx, "a1", Article{Title: "Lamp"}))
	must(comments.Put(ctx, "c1", Comment{"a1", "Bright"}))
	moved := must(comments.Put(ctx, "c2", Comment{"a1", "Heavy"}))
	must(comments.Put(ctx, "c2", Comment{"a2", "Heavy"}))
	show := func(m companion.Moment) {
		for c, err := range ofArticle.Many(ctx, "a1", m) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s of %s, ", c.Value.Text, must(ofArticle.One(ctx, c, m)).Value.Title)
		}
		fmt.Println("as of seq", m.Seq)
	}
	show(companion.Moment{})
	show(companion.Moment{Seq: moved.Seq})
	// Output:
	// Bright of Lamp, as of seq 0
	// Bright of Lamp, Heavy of Lamp, as of seq 3
}

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
	fmt.Println(title.Value, s.Verify(lineage))
	// Output:
	// 1 articles a1
	// 2 titles a1
	// Lamp <nil>
}

func ExampleNewFold() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	payments := must(companion.NewHistory[int](s, "payments"))
	total := companion.NewFold(payments, 0, func(sum int, p companion.Record[int]) int { return sum + p.Value })
	must(payments.Append(ctx, 40))
	last := must(payments.Append(ctx, 2))
	if err := total.WaitFor(ctx, last.Seq); err != nil { // needed only for what others write
		log.Fatal(err)
	}
	err := total.Read(func(sum int, seq uint64) { fmt.Println(sum, "through", seq) })
	if err != nil {
		log.Fatal(err)
	}
	// Output: 42 through 2
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

func ExampleStore_Compact() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	if err := articles.Retain(companion.Retention{Versions: 2}); err != nil {
		log.Fatal(err)
	}
	for price := range 5 {
		must(articles.Put(ctx, "lamp", Article{Title: "Lamp", Price: price}))
	}
	for _, c := range s.PlanCompaction() {
		fmt.Println("would go from", c.Store+":", c.Facts)
	}
	for _, c := range must(s.Compact(ctx)) {
		fmt.Println("gone from", c.Store+":", c.Seqs)
	}
	for version, err := range articles.History(ctx, "lamp") {
		fmt.Println(version.Seq, version.Value.Price, err)
	}
	// Output:
	// would go from articles: 3
	// gone from articles: [[1 3]]
	// 4 3 <nil>
	// 5 4 <nil>
}

func ExampleHistory_Retain() {
	ctx := context.Background()
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	s := must(companion.Open(ctx, companion.Options{Now: func() time.Time { return now }}))
	defer s.Close()
	notes := must(companion.NewHistory[string](s, "notes"))
	if err := notes.Retain(30 * 24 * time.Hour); err != nil {
		log.Fatal(err)
	}
	must(notes.Append(ctx, "today"))
	fmt.Println(len(s.PlanCompaction()), "at first")
	now = time.Now().Add(31 * 24 * time.Hour)
	fmt.Println(s.PlanCompaction()[0].Facts, "a month later")
	// Output:
	// 0 at first
	// 1 a month later
}

func ExampleStore_Sync() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	must(articles.Put(ctx, "lamp", Article{Title: "Lamp"}))
	if err := s.Sync(ctx); err != nil { // what any process was told is written is there now
		log.Fatal(err)
	}
	fmt.Println(must(articles.Get(ctx, "lamp")).Value.Title)
	// Output: Lamp
}

func ExampleOptions_trace() {
	type traceKey struct{}
	ctx := context.WithValue(context.Background(), traceKey{}, "4bf92f35")
	s := must(companion.Open(ctx, companion.Options{Trace: func(ctx context.Context) string {
		id, _ := ctx.Value(traceKey{}).(string)
		return id
	}}))
	defer s.Close()
	notes := must(companion.NewRecords[string](s, "notes"))
	must(notes.Put(companion.WithProducer(ctx, map[string]string{"who": "ana"}), "n", "x"))
	fmt.Println(string(must(notes.Get(ctx, "n")).Producer))
	// Output: {"trace":"4bf92f35","who":"ana"}
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

func ExampleOptions_readOnly() {
	ctx := context.Background()
	s := must(companion.Open(ctx, companion.Options{ReadOnly: true, Stores: []string{"notes"}}))
	defer s.Close()
	notes := must(companion.NewRecords[string](s, "notes"))
	_, err := notes.Put(ctx, "n", "x")
	fmt.Println(errors.Is(err, companion.ErrReadOnly), errors.Is(err, backend.ErrInvalid))
	// Output: true false
}
