package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// batchCases are about WriteBatch without expectations.
func batchCases() []testCase {
	return []testCase{
		{"batch", batches, "WriteBatch writes all the facts, and returns them as the log holds them, in the batch's order, as if they were written one after the other.", batch},
		{"batch-causation", batches, "A later fact of a batch follows an earlier one for the same key.", batchCausation},
		{"batch-invalid", batches, "WriteBatch writes all the facts or none; a fact that breaks a limit is an *InvalidError.", batchInvalid},
		{"batch-id-reused", batches, "WriteBatch writes all the facts or none; an ID of another fact is ErrIDReused.", batchIDReused},
		{"batch-too-large", batches | limited, "The batch's frame must fit the backend's limit (ErrTooLarge); nothing was written.", batchTooLarge},
		{"batch-again", batches, "Facts that the log holds already stay where they are; where that is true of all, the batch was written before, and its expectations are not checked again.", batchAgain},
		{"batch-partly-held", batches, "Facts of a batch that the log holds already stay where they are; the others are written, if every Expect holds.", batchPartlyHeld},
		{"batch-consecutive", batches, "WriteBatch writes the facts in consecutive places, whoever else writes.", batchConsecutive},
		{"batch-cancelled", batches, "With a ctx that is done before the call WriteBatch writes nothing and returns ctx's error; writing the batch again is always safe.", batchCancelled},
	}
}

func batch(l *lab) {
	b := l.open()
	log := l.write(b, fact(0))
	given := append(facts(30)[1:], rich()...)
	given = append(given[:len(given)-3], given[len(given)-2:]...) // without the second fact(0)
	got := l.batch(b, given)
	for i, f := range got {
		l.same("a written fact", []backend.Fact{f}, []backend.Fact{held(given[i], f)})
		if before := log[len(log)-1]; f.Seq <= before.Seq {
			l.Fatalf("fact %d of the batch has seq %d, and the one before it %d", i, f.Seq, before.Seq)
		}
		log = append(log, f)
	}
	l.holds(b, log)
	log = append(log, l.write(b, fact(30))...)
	log = append(log, l.batch(b, []backend.Fact{fact(31)})...)
	l.holds(b, log)
}

func batchCausation(l *lab) {
	b := l.open()
	log := l.write(b, of("0", "s", "k", "0"))
	kept := of("5", "s", "k", "5")
	kept.Causation = "given"
	log = append(log, l.batch(b, []backend.Fact{
		of("1", "s", "k", "1"), of("2", "t", "k", "2"), of("3", "s", "new", "3"), of("4", "s", "k", "null"), kept, of("6", "s", "k", "6"), of("7", "s", "new", "7"),
	})...)
	log = append(log, l.write(b, of("8", "s", "k", "8"))...)
	for i, want := range []string{"", "0", "", "", "1", "given", "5", "3", "6"} {
		if log[i].Causation != want {
			l.Errorf("fact %q has causation %q, want %q", log[i].ID, log[i].Causation, want)
		}
		if i > 0 && log[i].TransactionTime.Before(log[i-1].TransactionTime) {
			l.Errorf("fact %q has transaction time %v, the one before it %v", log[i].ID, log[i].TransactionTime, log[i-1].TransactionTime)
		}
	}
	l.holds(b, log)
}

// none fails the case unless b refuses the batch with target, and writes nothing of it.
func (l *lab) none(b backend.Backend, log []backend.Fact, batch backend.Batch, target error) error {
	l.Helper()
	got, err := backend.WriteBatch(l.ctx, b, batch)
	l.wants("WriteBatch", err, target)
	if len(got) != 0 {
		l.Fatalf("the error %q came with %d facts", err, len(got))
	}
	l.holds(b, log)
	return err
}

func batchInvalid(l *lab) {
	b := l.open()
	log := l.write(b, fact(0))
	for place := range 3 {
		given := facts(4)[1:]
		given[place].Value = []byte(`{"a":1,"a":2}`)
		err := l.none(b, log, backend.Batch{Facts: given}, backend.ErrInvalid)
		var invalid *backend.InvalidError
		if want := fmt.Sprintf("facts[%d].value", place); !errors.As(err, &invalid) || invalid.Field != want {
			l.Fatalf("error %v, want an *InvalidError that names %s", err, want)
		}
	}
	log = append(log, l.batch(b, facts(4)[1:])...)
	if log[3].Causation != fact(0).ID {
		l.Fatalf("after batches that were not written, causation is %q, want %q", log[3].Causation, fact(0).ID)
	}
	l.holds(b, log)
}

func batchIDReused(l *lab) {
	b := l.open()
	log := l.write(b, fact(0))
	for place := range 3 {
		given := facts(4)[1:]
		given[place].ID = fact(0).ID
		l.none(b, log, backend.Batch{Facts: given}, backend.ErrIDReused)
	}
	given := facts(4)[1:]
	given[2].ID = given[0].ID // within the batch
	l.none(b, log, backend.Batch{Facts: given}, backend.ErrIDReused)
	log = append(log, l.batch(b, facts(4)[1:])...)
	l.holds(b, log)
}

func batchTooLarge(l *lab) {
	b := l.open()
	log := l.write(b, fact(0))
	given := facts(5)[1:]
	for i := range given {
		given[i].Value = []byte(`"` + strings.Repeat("x", l.opts.MaxFrame/4) + `"`)
	}
	got, err := backend.WriteBatch(l.ctx, b, backend.Batch{Facts: given})
	l.wants(fmt.Sprintf("a batch of 4 values of %d bytes", len(given[0].Value)), err, backend.ErrTooLarge)
	if len(got) != 0 {
		l.Fatalf("the error came with %d facts", len(got))
	}
	l.holds(b, log)
	log = append(log, l.batch(b, facts(5)[1:])...)
	l.holds(b, log)
}

func batchAgain(l *lab) {
	b := l.open()
	given := facts(6)
	expect := []backend.Expect{{Store: "tasks", Key: "t0"}}
	log := l.batch(b, given, expect...)
	l.same("a batch written again", l.batch(b, given, expect...), log)
	log = append(log, l.write(b, fact(6))...)
	l.same("a batch written again", l.batch(b, given, expect...), log[:6])
	l.same("a part of a batch written again", l.batch(b, given[2:4], backend.Expect{Store: "tasks", Key: "t1", ID: "no such"}), log[2:4])
	l.same("a fact of a batch written again", l.write(b, given[3]), log[3:4])
	l.holds(b, log)
}

func batchPartlyHeld(l *lab) {
	b := l.open()
	log := l.write(b, facts(3)...)
	l.none(b, log, backend.Batch{
		Facts:  []backend.Fact{fact(0), fact(3)},
		Expect: []backend.Expect{{Store: "tasks", Key: "t0"}},
	}, backend.ErrConflict)
	got := l.batch(b, []backend.Fact{fact(3), fact(1), fact(4), fact(3)}, backend.Expect{Store: "tasks", Key: "t0", ID: fact(0).ID})
	log = append(log, got[0], got[2])
	l.same("the batch", got, []backend.Fact{log[3], log[1], log[4], log[3]})
	l.holds(b, log)
	if log[4].Causation != fact(1).ID {
		l.Fatalf("fact 4 has causation %q, want %q", log[4].Causation, fact(1).ID)
	}
}

func batchConsecutive(l *lab) {
	b := l.open()
	singles, told := l.writing(b, 30)
	var tasks []*task
	batches := make([][]backend.Fact, 3)
	for w := range batches {
		tasks = append(tasks, l.start(func() error {
			for i := range 20 {
				given := make([]backend.Fact, 4)
				for j := range given {
					given[j] = by(writers+w, 4*i+j)
				}
				got, err := backend.WriteBatch(l.ctx, b, backend.Batch{Facts: given})
				if err != nil {
					return err
				}
				batches[w] = append(batches[w], got...)
			}
			return nil
		}))
	}
	l.join(append(tasks, singles...)...)
	log := l.replay(b, 0)
	l.complete(log, append(told, batches...))
	place := map[string]int{}
	for i, f := range log {
		place[f.ID] = i
	}
	for w, facts := range batches {
		for i, f := range facts {
			if i%4 > 0 && place[f.ID] != place[facts[i-1].ID]+1 {
				l.Fatalf("writer %d, batch %d: facts %q and %q are at places %d and %d of the log", w, i/4, facts[i-1].ID, f.ID, place[facts[i-1].ID], place[f.ID])
			}
		}
	}
}

func batchCancelled(l *lab) {
	b := l.open()
	log := l.write(b, fact(0))
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	given := facts(4)[1:]
	got, err := backend.WriteBatch(ctx, b, backend.Batch{Facts: given})
	l.wants("WriteBatch with a cancelled context", err, context.Canceled)
	if len(got) != 0 {
		l.Fatalf("the error came with %d facts", len(got))
	}
	l.holds(b, log)
	log = append(log, l.batch(b, given)...)
	l.holds(b, log)
}
