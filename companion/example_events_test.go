// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

func ExampleEvents() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	logins, err := companion.NewEvents[string](s, "logins")
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

func ExampleEvents_Tail() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	notes := must(companion.NewEvents[string](s, "notes"))
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

func ExampleEvents_Partition() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	type visit struct {
		Who  string `json:"who"`
		Page string `json:"page"`
	}
	visits := must(companion.NewEvents[visit](s, "visits"))
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

// The type of events, and fields that they are partitioned by, are checked when they are declared.
func ExampleNewEvents() {
	s := exampleStore()
	defer s.Close()
	visits := must(companion.NewEvents[struct {
		Who string `json:"who"`
	}](s, "visits"))
	_, err := visits.Partition("page")
	fmt.Println(errors.Is(err, companion.ErrInvalid))

	_, err = companion.NewEvents[func()](s, "calls")
	fmt.Println(err)
	// Output:
	// true
	// companion: store "calls": backend: invalid type: func() can't be JSON
}

func ExampleEvents_SinceTime() {
	ctx := context.Background()
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	log := memory.New(memory.Options{Now: func() time.Time { return now }})
	defer log.Close()
	s := must(companion.New(ctx, log, companion.Options{}))
	defer s.Close()
	logins := must(companion.NewEvents[string](s, "logins"))
	for _, who := range []string{"ana", "bob", "cyd"} {
		must(logins.Append(ctx, who))
		now = now.Add(time.Hour)
	}
	for login, err := range logins.SinceTime(ctx, time.Date(2026, time.March, 1, 13, 0, 0, 0, time.UTC)) {
		fmt.Println(login.Time.Format(time.TimeOnly), login.Value, err)
	}
	// Output:
	// 13:00:00 bob <nil>
	// 14:00:00 cyd <nil>
}

// An event is written together with what it changes, or not at all.
func ExampleEvents_Event() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	stock := must(companion.NewRecords[int](s, "stock"))
	sales := must(companion.NewEvents[string](s, "sales"))
	receipts := must(s.Write(ctx, stock.Change("lamp", 2), sales.Event("a lamp to ana")))
	for sale, err := range sales.Since(ctx, 0) {
		fmt.Println(sale.Value, err, sale.Receipt == receipts[1])
	}
	// Output: a lamp to ana <nil> true
}

func ExampleEvents_Upcast() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	must(must(companion.NewEvents[string](s, "logins")).Append(ctx, "ana")) // the first version of the app

	type login struct {
		Who string `json:"who"`
	}
	logins := must(companion.NewEvents[login](s, "logins"))
	err := logins.Upcast(func(who json.RawMessage) (json.RawMessage, error) {
		return fmt.Appendf(nil, `{"who":%s}`, who), nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for login, err := range logins.Since(ctx, 0) {
		fmt.Println(login.Value.Who, "of version", login.Schema, err)
	}
	// Output: ana of version 1 <nil>
}

// A partition reads the orders of one customer without reading all.
func ExamplePartition() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	type order struct {
		Customer struct {
			ID int `json:"id"`
		} `json:"customer"`
		What string `json:"what"`
	}
	orders := must(companion.NewEvents[order](s, "orders"))
	byCustomer := must(orders.Partition("customer.id"))
	var seen uint64
	for i, what := range []string{"lamp", "chair", "table", "vase"} {
		o := order{What: what}
		o.Customer.ID = 1 + i%2
		seen = must(orders.Append(ctx, o)).Seq
	}
	for o, err := range byCustomer.Since(ctx, 2, 0) {
		fmt.Println(o.Value.What, err)
	}
	for range byCustomer.Since(ctx, 2, seen) {
		fmt.Println("nothing new")
	}
	for _, err := range byCustomer.Since(ctx, "two", 0) {
		fmt.Println(err)
	}
	// Output:
	// chair <nil>
	// vase <nil>
	// companion: read store "orders": backend: invalid customer.id: the field is of type int and can't be "two"
}
