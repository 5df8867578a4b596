// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strconv"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

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
	rule, sources := store.SourcesOf(r.Derivation())
	fmt.Printf("%s by %s %v\n", r.Value(), rule, sources[0].ID == f.ID)
	// Output: 3 by length true
}

// One fact from several (gather): what else it is derived from is named in From.
func ExampleRule() {
	e, closeAll := open()
	defer closeAll()
	sum := store.Rule{Name: "sum", Version: 1, Source: "parts", Derive: func(context.Context, store.Record) (store.Derived, error) {
		var d store.Derived
		sum := 0
		for r := range e.List(context.Background(), "parts", store.Query{}) {
			n, err := strconv.Atoi(string(r.Value()))
			if err != nil {
				return store.Derived{}, err
			}
			sum += n
			d.From = append(d.From, store.Source{Store: "parts", ID: r.ID()})
		}
		d.Facts = []backend.Fact{{Store: "sums", Key: "parts", Value: fmt.Append(nil, sum)}}
		return d, nil
	}}
	if err := e.AddRule(sum); err != nil {
		log.Fatal(err)
	}
	write(e, "parts", "a", `40`)
	write(e, "parts", "b", `2`)
	r, _ := e.Get("sums", "parts")
	_, sources := store.SourcesOf(r.Derivation())
	fmt.Println(string(r.Value()), "from", len(sources), "facts")
	// Output: 42 from 2 facts
}

// Derive runs a rule for facts that are older than it. The log also has the rule's state, in store.RuleStore.
func ExampleEngine_Derive() {
	ctx := context.Background()
	e, closeAll := open(`1`, `2`)
	defer closeAll()
	err := e.AddRule(store.Rule{Name: "copy", Source: "tasks", Derive: func(_ context.Context, source store.Record) (store.Derived, error) {
		return store.Derived{Facts: []backend.Fact{{Store: "copies", Key: source.Key(), Value: source.Value()}}}, nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // again, which changes nothing
		for r := range e.List(context.Background(), "tasks", store.Query{}) {
			if err := e.Derive(ctx, r); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println(e.Head())
	}
	// Output:
	// 6
	// 6
}

// The log knows for which facts a rule did not run.
func ExampleEngine_Rederive() {
	ctx := context.Background()
	e, closeAll := open()
	defer closeAll()
	dictionary := map[string]string{}
	err := e.AddRule(store.Rule{Name: "words", Source: "tasks", Derive: func(_ context.Context, source store.Record) (store.Derived, error) {
		word, ok := dictionary[source.Key()]
		if !ok {
			return store.Derived{}, errors.New("no dictionary")
		}
		return store.Derived{Facts: []backend.Fact{{Store: "words", Key: source.Key(), Value: fmt.Appendf(nil, "%q", word)}}}, nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	write(e, "tasks", "t1", `1`)
	var failed *store.DerivationError
	fmt.Println(errors.As(e.Rederive(ctx), &failed), failed.Err)
	dictionary["t1"] = "one"
	fmt.Println(e.Rederive(ctx))
	r, _ := e.Get("words", "t1")
	state, _ := e.Get(store.RuleStore, "rule:words")
	fmt.Printf("%s %s\n", r.Value(), state.Value())
	// Output:
	// true no dictionary
	// <nil>
	// "one" {"after":0,"source":"tasks","targets":["words"]}
}

// A rule that fails is reported, and the source is written all the same.
func ExampleDerivationError() {
	ctx := context.Background()
	facts := memory.New(memory.Options{})
	defer facts.Close()
	e, err := store.Open(ctx, facts, store.Options{DerivationFailed: func(source store.Record, err error) {
		var failed *store.DerivationError
		fmt.Println(errors.As(err, &failed), failed.Rule, failed.Source == source.ID(), failed.Err)
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	err = e.AddRule(store.Rule{Name: "words", Source: "tasks", Derive: func(context.Context, store.Record) (store.Derived, error) {
		return store.Derived{}, errors.New("no dictionary")
	}})
	if err != nil {
		log.Fatal(err)
	}
	write(e, "tasks", "t1", `1`)
	fmt.Println(e.Head())
	// Output:
	// true words true no dictionary
	// 2
}

// Several facts from one (scatter), written together.
func ExampleDerived() {
	e, closeAll := open()
	defer closeAll()
	err := e.AddRule(store.Rule{Name: "words", Source: "texts", Derive: func(_ context.Context, source store.Record) (d store.Derived, err error) {
		var text string
		err = json.Unmarshal(source.Value(), &text)
		for word := range strings.FieldsSeq(text) {
			d.Facts = append(d.Facts, backend.Fact{Store: "words", Key: word, Value: []byte("true")})
		}
		return d, err
	}})
	if err != nil {
		log.Fatal(err)
	}
	write(e, "texts", "t1", `"buy oat milk"`)
	for r := range e.List(context.Background(), "words", store.Query{}) {
		fmt.Println(r.Seq(), r.Key())
	}
	// Output:
	// 3 buy
	// 4 oat
	// 5 milk
}

// A source names a fact, with its store: facts of different stores may have the same ID.
func ExampleSource() {
	e, closeAll := open()
	defer closeAll()
	f := write(e, "tasks", "t1", `1`)
	source := store.Source{Store: f.Store, ID: f.ID}
	r, err := e.FactByID(source.ID, source.Store)
	fmt.Println(r.Key(), err)
	// Output: t1 <nil>
}
