// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

func ExampleEngine_WriteIf() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	e, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	first, err := e.WriteIf(ctx, "", backend.Fact{ID: "f1", Store: "tasks", Key: "t1", Value: []byte("1")})
	fmt.Println(first.Seq, err)
	_, err = e.WriteIf(ctx, "", backend.Fact{ID: "f2", Store: "tasks", Key: "t1", Value: []byte("2")})
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// memory: write batch of 1 facts: backend: conflict: the latest fact of key "t1" in store "tasks" is "f1", not none: read the key again, then decide
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

// A consumer stores how far it has come, and goes on there after a restart, unless the log is another one by then.
func ExampleEngine_Resume() {
	ctx := context.Background()
	e, closeAll := open(`1`, `2`, `3`)
	stored := backend.Cursor{Log: e.Cursor().Log, Seq: 2}
	after, err := e.Resume(ctx, stored)
	fmt.Println("go on after", after, err)
	closeAll()

	e, closeAll = open(`1`, `2`, `3`) // another log
	defer closeAll()
	_, err = e.Resume(ctx, stored)
	diverged, ok := errors.AsType[*backend.DivergedError](err)
	fmt.Println(ok, "the two have in common what comes through seq", diverged.Common)
	// Output:
	// go on after 2 <nil>
	// true the two have in common what comes through seq 0
}

func ExampleEngine_Cursor() {
	e, closeAll := open(`1`, `2`, `3`)
	defer closeAll()
	c := e.Cursor()
	parsed, err := backend.ParseCursor(c.String())
	fmt.Println(c.Seq, parsed == c, err)
	// Output: 3 true <nil>
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
	r, _, _ := past.GetAt(context.Background(), "tasks", "t1", store.Moment{Seq: 1})
	fmt.Println(string(r.Value()))
	// Output: 1
}

// Nothing but a log is needed; what the log holds already is read first.
func ExampleOpen() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	if _, err := facts.WriteFact(ctx, backend.Fact{ID: "f1", Store: "tasks", Key: "t1", Value: []byte("1")}); err != nil {
		log.Fatal(err)
	}
	e, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r, ok := e.Get("tasks", "t1")
	fmt.Println(r.ID(), ok, e.Head())
	fmt.Println(e.Close(), e.Err())
	// Output:
	// f1 true 1
	// <nil> store: the engine is closed: backend: closed
}

// An engine can hold some stores only, and write none.
func ExampleOptions() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	for i, name := range []string{"tasks", "notes"} {
		f := backend.Fact{ID: fmt.Sprint("f", i), Store: name, Key: "k", Value: []byte("1")}
		if _, err := facts.WriteFact(ctx, f); err != nil {
			log.Fatal(err)
		}
	}
	e, err := store.Open(ctx, facts, store.Options{Stores: []string{"notes"}, ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	fmt.Println(e.Stores())
	_, err = e.Write(ctx, backend.Fact{Store: "notes", Key: "k", Value: []byte("2")})
	fmt.Println(errors.Is(err, store.ErrReadOnly))
	// Output:
	// [notes]
	// true
}

func ExampleOpenProgress() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	for i := range 3 {
		f := backend.Fact{ID: fmt.Sprint("f", i), Store: "tasks", Key: "k", Value: fmt.Append(nil, i)}
		if _, err := facts.WriteFact(ctx, f); err != nil {
			log.Fatal(err)
		}
	}
	e, err := store.Open(ctx, facts, store.Options{Progress: func(p store.OpenProgress) { fmt.Println(p.Facts, "of", p.Total) }})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Close())
	// Output:
	// 3 of 3
	// <nil>
}

// A write fills in what is missing, an import takes the fact as it is.
func ExampleEngine_Write() {
	ctx := context.Background()
	e, closeAll := open()
	defer closeAll()
	written, err := e.Write(ctx, backend.Fact{Store: "tasks", Key: "t1", Value: []byte(`{ "n": 1 }`)})
	fmt.Printf("%s, an ID of %d bytes, a hash of %d, %v\n", written.Value, len(written.ID), len(written.ValueHash), err)

	imported, err := e.Import(ctx, backend.Fact{ID: "old-7", Store: "tasks", Key: "t1", Value: []byte(`{ "n": 2 }`)})
	fmt.Printf("%s, after the other: %t, %v\n", imported.Value, imported.Causation == written.ID, err)

	gone, err := e.Retract(ctx, backend.Fact{Store: "tasks", Key: "t1"})
	_, ok := e.Get("tasks", "t1")
	latest := e.Latest("tasks", "t1")
	fmt.Println(gone.Retraction(), ok, latest.Retracted(), latest.ID() == gone.ID, err)
	fmt.Println(e.Stores())
	// Output:
	// {"n":1}, an ID of 36 bytes, a hash of 64, <nil>
	// { "n": 2 }, after the other: true, <nil>
	// true false true true <nil>
	// [tasks]
}

// IDs are made by the engine, or by what Options.NewID is.
func ExampleNewID() {
	id, err := store.NewID()
	fmt.Println(len(id), id[14:15], err)
	// Output: 36 7 <nil>
}

// Facts of several stores are written together, and only as long as what they were decided on holds.
func ExampleEngine_WriteBatch() {
	ctx := context.Background()
	e, closeAll := open(`"open"`)
	defer closeAll()
	task := e.Latest("tasks", "t1")
	b := backend.Batch{
		Facts: []backend.Fact{
			{Store: "tasks", Key: "t1", Value: []byte(`"done"`)},
			{Store: "done", Key: "t1", Value: []byte(`"today"`)},
		},
		Expect: []backend.Expect{{Store: "tasks", Key: "t1", ID: task.ID()}},
	}
	facts, err := e.WriteBatch(ctx, b)
	fmt.Println(len(facts), err)
	_, err = e.WriteBatch(ctx, b) // the task is not as it was any more
	fmt.Println(errors.Is(err, backend.ErrConflict))
	// Output:
	// 2 <nil>
	// true
}

// Events are read in the order of the log, from a seq or a time on.
func ExampleEngine_Append() {
	ctx := context.Background()
	now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	facts := memory.New(memory.Options{Now: func() time.Time { return now }})
	defer facts.Close()
	e, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	for i := range 3 {
		f, err := e.Append(ctx, backend.Fact{Store: "logins", Value: fmt.Append(nil, i)})
		if err != nil || f.Key != f.ID {
			log.Fatal(f, err)
		}
		now = now.Add(time.Hour)
	}
	for r := range e.Facts(context.Background(), "logins", 1) {
		fmt.Println("after seq 1:", string(r.Value()))
	}
	for r := range e.FactsSince(context.Background(), "logins", now.Add(-time.Hour)) {
		fmt.Println("in the last hour:", string(r.Value()))
	}
	// Output:
	// after seq 1: 1
	// after seq 1: 2
	// in the last hour: 2
}

func ExampleEngine_History() {
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	write(e, "tasks", "t1", `null`)
	write(e, "tasks", "t1", `3`)
	for r := range e.History(context.Background(), "tasks", "t1", store.Moment{}) {
		fmt.Println(r.Version(), string(r.Value()))
	}
	// Output:
	// 1 1
	// 2 null
	// 3 3
}

// A Moment reads what was true then, and what was known then.
func ExampleMoment() {
	ctx := context.Background()
	e, closeAll := open()
	defer closeAll()
	day := func(d int) time.Time { return time.Date(2026, time.March, d, 0, 0, 0, 0, time.UTC) }
	for i, d := range []int{1, 10} {
		f := backend.Fact{Store: "rates", Key: "savings", Value: fmt.Append(nil, 2+i), ValidTime: day(d)}
		if _, err := e.Write(ctx, f); err != nil {
			log.Fatal(err)
		}
	}
	for _, m := range []store.Moment{{}, {Seq: 1}, {Valid: day(5)}, {Valid: day(15)}, {Valid: day(15), Seq: 1}} {
		r, _, _ := e.GetAt(context.Background(), "rates", "savings", m)
		fmt.Print(string(r.Value()), " ")
	}
	_, ok, _ := e.GetAt(context.Background(), "rates", "savings", store.Moment{Time: day(1)}) // before it was written
	fmt.Println(ok)
	// Output: 3 2 2 3 2 false
}

func ExampleQuery() {
	e, closeAll := open(`1`, `2`, `3`)
	defer closeAll()
	write(e, "tasks", "other", `4`)
	page := store.Query{Prefix: "t", ByKey: true, Descending: true, Limit: 2}
	for range 2 {
		found, err := e.Query(context.Background(), "tasks", page)
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range found.Records {
			fmt.Print(r.Key(), " ")
		}
		fmt.Println("end of page")
		page.Cursor = found.Next
	}
	// Output:
	// t3 t2 end of page
	// t1 end of page
}

// A page has the cursor of the next one.
func ExampleResults() {
	e, closeAll := open(`1`, `2`, `3`)
	defer closeAll()
	var first store.Results
	first, err := e.Query(context.Background(), "tasks", store.Query{Limit: 2})
	if err != nil {
		log.Fatal(err)
	}
	second, err := e.Query(context.Background(), "tasks", store.Query{Limit: 2, Cursor: first.Next})
	fmt.Println(len(first.Records), len(second.Records), second.Next == "", err)
	// Output: 2 1 true <nil>
}

func ExampleEngine_FactByID() {
	e, closeAll := open()
	defer closeAll()
	f := write(e, "tasks", "t1", `1`)
	r, err := e.FactByID(f.ID)
	fmt.Println(r.Key(), string(r.Value()), err)
	_, err = e.FactByID("unheard of")
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// t1 1 <nil>
	// true
}

// Two engines on one log, as in two processes.
func ExampleEngine_Sync() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	var engines [2]*store.Engine
	for i := range engines {
		e, err := store.Open(ctx, facts, store.Options{})
		if err != nil {
			log.Fatal(err)
		}
		defer e.Close()
		engines[i] = e
	}
	written := write(engines[0], "tasks", "t1", `1`)
	fmt.Println(engines[1].WaitFor(ctx, written.Seq)) // until it is here, or
	fmt.Println(engines[1].Sync(ctx))                 // until all is that was written anywhere
	r, ok := engines[1].Get("tasks", "t1")
	fmt.Println(string(r.Value()), ok)
	// Output:
	// <nil>
	// <nil>
	// 1 true
}

// A write that nobody waits for yet; what is written before it is done goes with the next one.
func ExampleEngine_WriteAsync() {
	ctx := context.Background()
	e, closeAll := open(`"open"`)
	defer closeAll()
	p, err := e.WriteAsync(ctx, backend.Batch{Facts: []backend.Fact{{Store: "tasks", Key: "t1", Value: []byte(`"done"`)}}})
	if err != nil {
		log.Fatal(err)
	}
	w := p.Wait(ctx)
	fmt.Println(string(w.Facts[0].Value), w.Err)
	// Output: "done" <nil>
}
