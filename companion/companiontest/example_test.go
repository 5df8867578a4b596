// SPDX-License-Identifier: Apache-2.0

package companiontest_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/companion/companiontest"
)

// remember is a part of an app.
func remember(ctx context.Context, s *companion.Store, what string) error {
	notes, err := companion.NewEvents[string](s, "notes")
	if err != nil {
		return err
	}
	_, err = notes.Append(ctx, what)
	return err
}

func ExampleTable() {
	t := new(testing.T) // a test has its own
	s, clock := companiontest.New(t, companion.Options{})
	ctx := context.Background()
	for _, what := range []string{"rent is due", "rent is paid"} {
		if err := remember(ctx, s, what); err != nil {
			log.Fatal(err)
		}
		clock.Advance(24 * time.Hour)
	}
	fmt.Print(companiontest.Table(t, s))
	fmt.Println(clock.Now().Format(time.DateOnly))
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// seq  id  store  key  time                  more  value
	// 1    f1  notes  f1   2024-01-01T00:00:00Z  -     "rent is due"
	// 2    f2  notes  f2   2024-01-02T00:00:00Z  -     "rent is paid"
	// 2024-01-03
}

// IDs and times are the same in each run.
func ExampleNew() {
	t := new(testing.T) // a test has its own
	s, clock := companiontest.New(t, companion.Options{})
	defer s.Close() // a test does this at its end
	stock, err := companion.NewRecords[int](s, "stock")
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := stock.Put(context.Background(), "lamps", 3)
	fmt.Println(receipt.ID, receipt.Time.Equal(clock.Now()), err)
	// Output: f1 true <nil>
}

// A test advances the clock to ask what an app knew on a day.
func ExampleClock() {
	t := new(testing.T) // a test has its own
	s, clock := companiontest.New(t, companion.Options{})
	defer s.Close()
	ctx := context.Background()
	stock, err := companion.NewRecords[int](s, "stock")
	if err != nil {
		log.Fatal(err)
	}
	for n := range 3 {
		if _, err := stock.Put(ctx, "lamps", n); err != nil {
			log.Fatal(err)
		}
		clock.Advance(24 * time.Hour)
	}
	fmt.Println(clock.Now().Sub(companiontest.Start))
	then, err := stock.GetAt(ctx, "lamps", companion.Moment{Time: companiontest.Start.Add(30 * time.Hour)})
	fmt.Println(then.Value, err)
	// Output:
	// 72h0m0s
	// 1 <nil>
}
