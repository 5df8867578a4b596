// SPDX-License-Identifier: Apache-2.0

// Command hello writes a task twice, reads its past, and sees a conflict. It is the example of the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/companion"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// A Task is a thing to do.
type Task struct {
	Title string `json:"title"`
	Done  bool   `json:"done"`
}

func run(ctx context.Context) error {
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
	_, err = s.Write(ctx, tasks.Change("milk", Task{Title: "Buy none"}).IfLatest(added.ID)) // the task has changed since
	fmt.Println(now.Value.Title, "|", then.Value.Title, "|", errors.Is(err, companion.ErrConflict))
	return nil
}
