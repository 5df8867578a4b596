// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/companion"
)

type Task struct {
	Title string `json:"title"`
	Done  bool   `json:"done"`
}

func remember(ctx context.Context) error {
	s, err := companion.Open(ctx, companion.Options{}) // in memory; Backend: "file", Path: "tasks.log" keeps it
	if err != nil {
		return err
	}
	defer s.Close()
	tasks, err := companion.NewRecords[Task](s, "tasks")
	if err != nil {
		return err
	}
	added, err := tasks.Put(ctx, "milk", Task{Title: "Buy milk"})
	if err != nil {
		return err
	}
	if _, err = tasks.Put(ctx, "milk", Task{Title: "Buy oat milk"}); err != nil {
		return err
	}
	now, _ := tasks.Get(ctx, "milk")
	then, _ := tasks.GetAt(ctx, "milk", companion.Moment{Seq: added.Seq})
	_, err = s.Write(ctx, tasks.Change("milk", Task{Title: "Buy none"}).IfLatest(added.ID)) // somebody was faster
	fmt.Println(now.Value.Title, "|", then.Value.Title, "|", errors.Is(err, companion.ErrConflict))
	return nil
}

// What a store remembers: what is true, what was true, and who was faster.
func Example() {
	fmt.Println(remember(context.Background()))
	// Output:
	// Buy oat milk | Buy milk | true
	// <nil>
}
