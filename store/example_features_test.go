package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// open returns an engine over a log in memory with some tasks, and what closes both.
func open(values ...string) (e *store.Engine, closeAll func()) {
	facts := memory.New(memory.Options{})
	e, err := store.Open(context.Background(), facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for i, v := range values {
		write(e, "tasks", fmt.Sprint("t", i+1), v)
	}
	return e, func() { _, _ = e.Close(), facts.Close() }
}

func write(e *store.Engine, name, key, value string) backend.Fact {
	f, err := e.Write(context.Background(), backend.Fact{Store: name, Key: key, Value: []byte(value)})
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func ExampleEngine_Scope() {
	e, closeAll := open(`{"status":"open"}`, `{"status":"done"}`, `{"status":"open"}`)
	defer closeAll()
	tasks, err := e.Scope("tasks", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
	if err != nil {
		log.Fatal(err)
	}
	head := e.Head()
	write(e, "tasks", "t1", `{"status":"done"}`)
	for r := range tasks.List(store.Query{}) {
		fmt.Println("now", r.Key())
	}
	for r := range tasks.List(store.Query{At: store.AsOf(head), Descending: true, Limit: 1}) {
		fmt.Println("before", r.Key())
	}
	// Output:
	// now t3
	// before t3
}

func ExampleQuery_orderBy() {
	e, closeAll := open()
	defer closeAll()
	for key, value := range map[string]string{"tea": `{"price":2.50}`, "cake": `{"price":4}`, "coffee": `{"price":3}`, "water": `{"price":2.5}`} {
		write(e, "menu", key, value)
	}
	page := store.Query{OrderBy: "price", Limit: 3}
	for r := range e.List("menu", page) {
		fmt.Println(r.Key(), string(r.Value()))
		page = page.Next(r)
	}
	fmt.Println("next page")
	for r := range e.List("menu", page) {
		fmt.Println(r.Key(), string(r.Value()))
	}
	// Output:
	// tea {"price":2.50}
	// water {"price":2.5}
	// coffee {"price":3}
	// next page
	// cake {"price":4}
}

func ExampleScope_Watch() {
	e, closeAll := open(`{"status":"open"}`, `{"status":"done"}`)
	defer closeAll()
	tasks, err := e.Scope("tasks", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
	if err != nil {
		log.Fatal(err)
	}
	write(e, "tasks", "t1", `{"status":"open","title":"x"}`)
	write(e, "tasks", "t1", `null`)
	for event, err := range tasks.Watch(context.Background(), 0) {
		fmt.Println(event.Record.Seq(), event.Record.Key(), event.Change, err)
		if event.Change == store.Left {
			break
		}
	}
	// Output:
	// 1 t1 entered <nil>
	// 3 t1 updated <nil>
	// 4 t1 left <nil>
}

func ExampleEngine_Tail() {
	e, closeAll := open(`1`, `2`, `3`)
	defer closeAll()
	for r, err := range e.Tail(context.Background(), "tasks", 1) {
		fmt.Println(r.Key(), err)
		if r.Seq() == e.Head() {
			break // an app goes on
		}
	}
	// Output:
	// t2 <nil>
	// t3 <nil>
}

func ExampleEngine_Index() {
	e, closeAll := open(`{"by":{"name":"ana"}}`, `{"by":{"name":"bob"}}`, `{"by":{"name":"ana"}}`)
	defer closeAll()
	byName, err := e.Index("tasks", "by.name")
	if err != nil {
		log.Fatal(err)
	}
	found, err := byName.List("ana", store.Moment{})
	if err != nil {
		log.Fatal(err)
	}
	for r := range found {
		fmt.Println(r.Key())
	}
	// Output:
	// t1
	// t3
}

func ExampleEngine_Relation() {
	e, closeAll := open(`{"person":"ana"}`, `{"person":"bob"}`)
	defer closeAll()
	ofPerson, err := e.Relation("people", "tasks", "person")
	if err != nil {
		log.Fatal(err)
	}
	write(e, "people", "ana", `{"name":"Ana"}`)
	for task := range ofPerson.Many("ana", store.Moment{}) {
		person, ok := ofPerson.One(task, store.Moment{})
		fmt.Printf("%s %s %v\n", task.Key(), person.Value(), ok)
	}
	// Output: t1 {"name":"Ana"} true
}

func ExampleEngine_AddRule() {
	e, closeAll := open()
	defer closeAll()
	err := e.AddRule(store.Rule{Name: "length", Source: "tasks", Derive: func(_ context.Context, source store.Record) (store.Derived, error) {
		return store.Derived{Facts: []backend.Fact{{Store: "lengths", Key: source.Key(), Value: fmt.Append(nil, len(source.Value()))}}}, nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	f := write(e, "tasks", "t1", `"x"`)
	r, _ := e.Get("lengths", "t1")
	fmt.Printf("%s %v\n", r.Value(), r.Sources()[0] == f.ID)
	// Output: 3 true
}

func ExampleNewFold() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	count := store.NewFold(e, 0, func(n int, _ store.Record) int { return n + 1 }, "tasks")
	write(e, "tasks", "t3", `3`)
	count.Read(func(n int, seq uint64) { fmt.Println(n, "facts through", seq) })
	// Output: 3 facts through 3
}

func ExampleEngine_Upcast() {
	e, closeAll := open(`"Buy milk"`)
	defer closeAll()
	err := e.Upcast("tasks", func(v json.RawMessage) (json.RawMessage, error) { return fmt.Appendf(nil, `{"title":%s}`, v), nil })
	if err != nil {
		log.Fatal(err)
	}
	r, _ := e.Get("tasks", "t1")
	v, err := r.Upcast()
	fmt.Printf("%s %v, stored as %s\n", v, err, r.Value())
	// Output: {"title":"Buy milk"} <nil>, stored as "Buy milk"
}

func ExampleEngine_Lineage() {
	e, closeAll := open(`1`)
	defer closeAll()
	f := write(e, "tasks", "t1", `2`)
	r, ok := e.FactByID(f.ID)
	l, err := e.Lineage(r)
	fmt.Println(ok, len(l.Facts), len(e.Causes(r)), err)
	fmt.Println(e.Verify(l))
	l.Facts[0].Producer = []byte(`"not me"`)
	fmt.Println(e.Verify(l) != nil)
	// Output:
	// true 2 2 <nil>
	// <nil>
	// true
}

func ExampleEngine_Compact() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	write(e, "tasks", "t1", `3`)
	if err := e.Retain("tasks", store.Retention{Versions: 1, Window: time.Hour}); err != nil {
		log.Fatal(err)
	}
	done, err := e.Compact(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	receipt, _ := e.Get(store.CompactionStore, "tasks")
	fmt.Println(done[0].Facts, done[0].Seqs, receipt.Seq())
	// Output: 1 [[1 1]] 5
}

func ExampleEngine_Update() {
	e, closeAll := open()
	defer closeAll()
	for range 3 {
		_, err := e.Update(context.Background(), "counts", "visits", func(old store.Record) (backend.Fact, error) {
			return backend.Fact{Value: fmt.Append(nil, old.Version()+1)}, nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	r, _ := e.Get("counts", "visits")
	fmt.Println(string(r.Value()))
	// Output: 3
}

func ExampleEngine_Past() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	e, err := store.Open(ctx, facts, store.Options{KeepVersions: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	write(e, "tasks", "t1", `1`)
	write(e, "tasks", "t1", `2`)
	past, err := e.Past(ctx, "tasks", "t1") // from the log, whatever is kept
	if err != nil {
		log.Fatal(err)
	}
	r, _ := past.GetAt("tasks", "t1", store.Moment{Seq: 1})
	fmt.Println(string(r.Value()))
	// Output: 1
}
