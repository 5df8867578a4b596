// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// batchCases are about batches without expectations.
func batchCases() []testCase {
	return []testCase{
		{"batch", batches, "All the facts of a batch are written, in its order, as if they were written one after the other; Written.Facts has them as the log holds them.", batch},
		{"batch-causation", batches, "A later fact of a batch follows an earlier one for the same key.", batchCausation},
		{"batch-invalid", batches, "All the facts of a batch are written, or none; a fact that breaks a limit is an *InvalidError.", batchInvalid},
		{"batch-id-reused", batches, "All the facts of a batch are written, or none; an ID of another fact is ErrIDReused.", batchIDReused},
		{"batch-too-large", batches | limited, "A batch's frame must fit the backend's limit (ErrTooLarge); nothing is written.", batchTooLarge},
		{"batch-too-many", batches, "A batch has at most MaxBatch facts and as many expectations (ErrTooLarge); nothing is written.", batchTooMany},
		{"batch-again", batches, "Facts that the log already holds are not written again; if it holds all of them, the batch was written before, and its expectations are not checked again.", batchAgain},
		{"batch-partly-held", batches, "Facts of a batch that the log already holds are not written again; the others are written, if every Expect holds.", batchPartlyHeld},
		{"batch-consecutive", batches, "The facts of a batch are written one directly after the other, also while others write.", batchConsecutive},
		{"batch-cancelled", batches, "If ctx is done before the call, nothing is written and the error is ctx's; writing the batch again is always safe.", batchCancelled},
	}
}

func batch(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	given := append(facts(30)[1:], rich()...)
	given = append(given[:len(given)-3], given[len(given)-2:]...) // without the second fact(0)
	got := h.batch(b, given)
	for i, f := range got {
		h.wantSame("a written fact", []backend.Fact{f}, []backend.Fact{held(given[i], f)})
		if before := log[len(log)-1]; f.Seq <= before.Seq {
			h.Fatalf("fact %d of the batch has seq %d, and the one before it %d", i, f.Seq, before.Seq)
		}
		log = append(log, f)
	}
	h.wantLog(b, log)
	log = append(log, h.write(b, fact(30))...)
	log = append(log, h.batch(b, []backend.Fact{fact(31)})...)
	h.wantLog(b, log)
}

func batchCausation(h *harness) {
	b := h.open()
	log := h.write(b, of("0", "s", "k", "0"))
	kept := of("5", "s", "k", "5")
	kept.Causation = "given"
	log = append(log, h.batch(b, []backend.Fact{
		of("1", "s", "k", "1"), of("2", "t", "k", "2"), of("3", "s", "new", "3"), of("4", "s", "k", "null"), kept, of("6", "s", "k", "6"), of("7", "s", "new", "7"),
	})...)
	log = append(log, h.write(b, of("8", "s", "k", "8"))...)
	for i, want := range []string{"", "0", "", "", "1", "given", "5", "3", "6"} {
		if log[i].Causation != want {
			h.Errorf("fact %q has causation %q, want %q", log[i].ID, log[i].Causation, want)
		}
		if i > 0 && log[i].TransactionTime.Before(log[i-1].TransactionTime) {
			h.Errorf("fact %q has transaction time %v, the one before it %v", log[i].ID, log[i].TransactionTime, log[i-1].TransactionTime)
		}
	}
	h.wantLog(b, log)
}

// wantRefused fails the case unless b refuses the batch with target, and writes none of its facts.
func (h *harness) wantRefused(b backend.Log, log []backend.Fact, batch backend.Batch, target error) error {
	h.Helper()
	got, err := h.putBatch(b, batch)
	h.wantError("Write of a batch", err, target)
	if len(got) != 0 {
		h.Fatalf("the error %q came with %d facts", err, len(got))
	}
	h.wantLog(b, log)
	return err
}

func batchInvalid(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	for place := range 3 {
		given := facts(4)[1:]
		given[place].Value = []byte(`{"a":1,"a":2}`)
		err := h.wantRefused(b, log, backend.Batch{Facts: given}, backend.ErrInvalid)
		var invalid *backend.InvalidError
		if want := fmt.Sprintf("facts[%d].value", place); !errors.As(err, &invalid) || invalid.Field != want {
			h.Fatalf("error %v, want an *InvalidError that names %s", err, want)
		}
	}
	log = append(log, h.batch(b, facts(4)[1:])...)
	if log[3].Causation != fact(0).ID {
		h.Fatalf("after batches that were not written, causation is %q, want %q", log[3].Causation, fact(0).ID)
	}
	h.wantLog(b, log)
}

func batchIDReused(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	for place := range 3 {
		given := facts(4)[1:]
		given[place].ID = fact(0).ID
		h.wantRefused(b, log, backend.Batch{Facts: given}, backend.ErrIDReused)
	}
	given := facts(4)[1:]
	given[2].ID = given[0].ID // within the batch
	h.wantRefused(b, log, backend.Batch{Facts: given}, backend.ErrIDReused)
	log = append(log, h.batch(b, facts(4)[1:])...)
	h.wantLog(b, log)
}

func batchTooLarge(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	given := facts(5)[1:]
	for i := range given {
		given[i].Value = []byte(`"` + strings.Repeat("x", b.Features().MaxFrame/4) + `"`)
		given[i].ValueHash = "given" // hashing would take long
	}
	got, err := h.putBatch(b, backend.Batch{Facts: given})
	h.wantError(fmt.Sprintf("a batch of 4 values of %d bytes", len(given[0].Value)), err, backend.ErrTooLarge)
	if len(got) != 0 {
		h.Fatalf("the error came with %d facts", len(got))
	}
	h.wantLog(b, log)
	log = append(log, h.batch(b, facts(5)[1:])...)
	h.wantLog(b, log)
}

func batchTooMany(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	given := make([]backend.Fact, backend.MaxBatch+1)
	for i := range given {
		given[i] = of(fmt.Sprint("many ", i), "s", "k", "1")
		given[i].ValueHash = "given" // hashing would take long
	}
	expect := make([]backend.Expect, len(given))
	for i := range expect {
		expect[i] = backend.Expect{Store: "s", Key: "k"}
	}
	h.wantRefused(b, log, backend.Batch{Facts: given}, backend.ErrTooLarge)
	h.wantRefused(b, log, backend.Batch{Facts: facts(2)[1:], Expect: expect}, backend.ErrTooLarge)
	log = append(log, h.batch(b, facts(2)[1:])...)
	h.wantLog(b, log)
}

func batchAgain(h *harness) {
	b := h.open()
	given := facts(6)
	expect := []backend.Expect{{Store: "tasks", Key: "t0"}}
	log := h.batch(b, given, expect...)
	h.wantSame("a batch written again", h.batch(b, given, expect...), log)
	log = append(log, h.write(b, fact(6))...)
	h.wantSame("a batch written again", h.batch(b, given, expect...), log[:6])
	h.wantSame("a part of a batch written again", h.batch(b, given[2:4], backend.Expect{Store: "tasks", Key: "t1", ID: "no such"}), log[2:4])
	h.wantSame("a fact of a batch written again", h.write(b, given[3]), log[3:4])
	h.wantLog(b, log)
}

func batchPartlyHeld(h *harness) {
	b := h.open()
	log := h.write(b, facts(3)...)
	h.wantRefused(b, log, backend.Batch{
		Facts:  []backend.Fact{fact(0), fact(3)},
		Expect: []backend.Expect{{Store: "tasks", Key: "t0"}},
	}, backend.ErrConflict)
	got := h.batch(b, []backend.Fact{fact(3), fact(1), fact(4), fact(3)}, backend.Expect{Store: "tasks", Key: "t0", ID: fact(0).ID})
	log = append(log, got[0], got[2])
	h.wantSame("the batch", got, []backend.Fact{log[3], log[1], log[4], log[3]})
	h.wantLog(b, log)
	if log[4].Causation != fact(1).ID {
		h.Fatalf("fact 4 has causation %q, want %q", log[4].Causation, fact(1).ID)
	}
}

func batchConsecutive(h *harness) {
	b := h.open()
	singles, told := h.startWriters(b, 30)
	var tasks []*task
	batches := make([][]backend.Fact, 3)
	for w := range batches {
		tasks = append(tasks, h.start(func() error {
			for i := range 20 {
				given := make([]backend.Fact, 4)
				for j := range given {
					given[j] = by(writers+w, 4*i+j)
				}
				got, err := h.putBatch(b, backend.Batch{Facts: given})
				if err != nil {
					return err
				}
				batches[w] = append(batches[w], got...)
			}
			return nil
		}))
	}
	h.join(append(tasks, singles...)...)
	log := h.replay(b, 0)
	h.wantAll(log, append(told, batches...))
	place := map[string]int{}
	for i, f := range log {
		place[f.ID] = i
	}
	for w, facts := range batches {
		for i, f := range facts {
			if i%4 > 0 && place[f.ID] != place[facts[i-1].ID]+1 {
				h.Fatalf("writer %d, batch %d: facts %q and %q are at places %d and %d of the log", w, i/4, facts[i-1].ID, f.ID, place[facts[i-1].ID], place[f.ID])
			}
		}
	}
}

func batchCancelled(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	given := facts(4)[1:]
	got, err := h.putBatchCtx(ctx, b, backend.Batch{Facts: given})
	h.wantError("Write of a batch with a cancelled context", err, context.Canceled)
	if len(got) != 0 {
		h.Fatalf("the error came with %d facts", len(got))
	}
	h.wantLog(b, log)
	log = append(log, h.batch(b, given)...)
	h.wantLog(b, log)
}
