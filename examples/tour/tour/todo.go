// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// A Task is a thing to do. Its json tags name the fields in the log.
type Task struct {
	Title string `json:"title"`
	Done  bool   `json:"done"`
}

func (t Task) String() string {
	if t.Done {
		return "[x] " + t.Title
	}
	return "[ ] " + t.Title
}

// A Note is an event: it is added and never changed.
type Note struct {
	Text string `json:"text"`
}

// todoList writes, corrects and retracts tasks, and shows their history.
func todoList(ctx context.Context, s *companion.Store, p *printer) error {
	tasks, err := companion.NewRecords[Task](s, "todo")
	if err != nil {
		return err
	}
	notes, err := companion.NewEvents[Note](s, "notes")
	if err != nil {
		return err
	}
	p.section("A to-do list")
	left := 0
	for task, err := range tasks.List(ctx, companion.Query{}) {
		if err != nil {
			return err
		}
		p.text("from before: %s, since seq %d", task.Value, task.Seq)
		left++
	}

	type step struct {
		what    string
		receipt companion.Receipt
	}
	var steps []step
	start := s.Head()
	for _, do := range []struct {
		who, why, what string
		write          func(context.Context) (companion.Receipt, error)
	}{
		{"ana", "breakfast", "ana adds the milk", func(ctx context.Context) (companion.Receipt, error) {
			return tasks.Put(ctx, "milk", Task{Title: "Buy milk"})
		}},
		{"ana", "due on the 1st", "ana adds the rent", func(ctx context.Context) (companion.Receipt, error) {
			return tasks.Put(ctx, "rent", Task{Title: "Pay the rent"})
		}},
		{"bob", "lactose", "bob corrects the milk", func(ctx context.Context) (companion.Receipt, error) {
			return tasks.Put(ctx, "milk", Task{Title: "Buy oat milk"})
		}},
		{"ana", "bank statement", "ana ticks the rent off", func(ctx context.Context) (companion.Receipt, error) {
			return tasks.Put(ctx, "rent", Task{Title: "Pay the rent", Done: true})
		}},
		{"bob", "the shop is closed", "bob retracts the milk", func(ctx context.Context) (companion.Receipt, error) {
			return tasks.Delete(ctx, "milk")
		}},
	} {
		receipt, err := do.write(companion.WithProducer(ctx, map[string]string{"who": do.who, "why": do.why}))
		if err != nil {
			return err
		}
		steps = append(steps, step{do.what, receipt})
		if _, err := notes.Append(ctx, Note{Text: fmt.Sprintf("%s (%s)", do.what, do.why)}); err != nil {
			return err
		}
	}

	p.text("Every write returns a receipt:")
	receipts := [][]string{{"STEP", "SEQ", "FACT", "HASH", "CAUSED BY", "TAKEN IN (UTC)"}}
	for _, step := range steps {
		r := step.receipt
		receipts = append(receipts, []string{step.what, fmt.Sprint(r.Seq), short(r.ID), r.Hash[:8], short(r.Causation), clock(r.Time)})
	}
	p.table(receipts)

	p.text("The history of the milk, with who, when and why:")
	history := [][]string{{"VERSION", "TAKEN IN (UTC)", "WHO", "WHY", "VALUE"}}
	for r, err := range tasks.History(ctx, "milk", companion.Moment{}) {
		if err != nil {
			return err
		}
		if r.Seq <= start {
			continue
		}
		var by struct{ Who, Why string }
		if err := json.Unmarshal(r.Producer, &by); err != nil {
			return err
		}
		value := r.Value.String()
		if r.Retracted {
			value = "retracted"
		}
		history = append(history, []string{fmt.Sprint(r.Version), clock(r.Time), by.Who, by.Why, value})
	}
	p.table(history)

	p.text("The list as of each step, read back from the past:")
	states := [][]string{{"AS OF", "AFTER", "MILK", "RENT"}}
	for _, step := range steps {
		row := []string{fmt.Sprintf("seq %d", step.receipt.Seq), step.what}
		for _, key := range []string{"milk", "rent"} {
			cell := "-"
			switch task, err := tasks.GetAt(ctx, key, companion.Moment{Seq: step.receipt.Seq}); {
			case err == nil:
				cell = task.Value.String()
			case !errors.Is(err, companion.ErrNotFound):
				return err
			}
			row = append(row, cell)
		}
		states = append(states, row)
	}
	p.table(states)

	// A conditional write fails if someone else has changed the key, and writes nothing.
	_, err = s.Write(ctx, tasks.Change("rent", Task{Title: "Pay the rent twice"}).IfLatest(steps[1].receipt.ID))
	var conflict *backend.ConflictError
	if !errors.As(err, &conflict) {
		return fmt.Errorf("a write over a stale read was not refused: %v", err)
	}
	p.text("A write on condition that the rent is still as in step 2 is refused: its latest fact is %s.", short(conflict.Latest))
	events := 0
	for _, err := range notes.Since(ctx, start) {
		if err != nil {
			return err
		}
		events++
	}
	p.text("The store %q has %d more events.", "notes", events)
	return nil
}
