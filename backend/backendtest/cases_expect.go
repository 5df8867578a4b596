// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// expectCases are about the expectations of batches.
func expectCases() []testCase {
	return []testCase{
		{"expect", batches, "None of the facts is written unless every Expect holds. A failed one is a *ConflictError that names the key and its latest fact.", expect},
		{"expect-many", batches, "None of the facts is written unless every Expect holds.", expectMany},
		{"expect-retraction", batches, "A retraction is a fact: a retracted key's latest fact is its retraction.", expectRetraction},
		{"expect-empty-batch", batches, "An empty batch only checks its expectations.", expectEmptyBatch},
		{"expect-invalid", batches, "An argument that breaks a rule is an *InvalidError; nothing is written.", expectInvalid},
		{"expect-race", batches, "Every Expect must hold at the moment of writing: of writers with the same expectation, one wins.", expectRace},
	}
}

// wantConflict fails the case unless b refuses to write f under e, because the key's latest fact is
// latest, and writes nothing.
func (h *harness) wantConflict(b backend.Log, log []backend.Fact, batch backend.Batch, e backend.Expect, latest string) {
	h.Helper()
	err := h.wantRefused(b, log, batch, backend.ErrConflict)
	var conflict *backend.ConflictError
	if !errors.As(err, &conflict) {
		h.Fatalf("error %v, want a *ConflictError", err)
	}
	if want := (backend.ConflictError{Store: e.Store, Key: e.Key, Expected: e.ID, Latest: latest}); *conflict != want {
		h.Fatalf("the error is %#v, want %#v", *conflict, want)
	}
}

func expect(h *harness) {
	b := h.open()
	log := h.write(b, of("other", "t", "k", "0"), of("other key", "s", "k2", "0"))
	latest := ""
	for i := range 4 {
		given := []backend.Fact{of(fmt.Sprint(i), "s", "k", "1"), of(fmt.Sprint(i, "b"), "s", "k3", "1")}
		for _, wrong := range []string{"", "0", "1", "2", "no such fact", "other", "other key"} {
			if wrong != latest {
				e := backend.Expect{Store: "s", Key: "k", ID: wrong}
				h.wantConflict(b, log, backend.Batch{Facts: given, Expect: []backend.Expect{e}}, e, latest)
			}
		}
		log = append(log, h.batch(b, given, backend.Expect{Store: "s", Key: "k", ID: latest})...)
		latest = given[0].ID
	}
	h.wantLog(b, log)
	log = append(log, h.batch(b, []backend.Fact{of("x", "s", "k", "1")}, backend.Expect{Store: "s", Key: ""})...)
	h.wantLog(b, log)
}

func expectMany(h *harness) {
	b := h.open()
	log := h.write(b, facts(3)...)
	right := []backend.Expect{
		{Store: "tasks", Key: "t0", ID: fact(0).ID}, {Store: "tasks", Key: "t1", ID: fact(1).ID},
		{Store: "tasks", Key: "t2", ID: fact(2).ID}, {Store: "tasks", Key: "never"},
	}
	given := facts(6)[3:]
	for i, e := range right {
		wrong := append([]backend.Expect{}, right...)
		latest := e.ID
		e.ID = "no such fact"
		wrong[i] = e
		h.wantConflict(b, log, backend.Batch{Facts: given, Expect: wrong}, e, latest)
	}
	log = append(log, h.batch(b, given, right...)...)
	h.wantLog(b, log)
}

func expectRetraction(h *harness) {
	b := h.open()
	log := h.write(b, of("1", "s", "k", "1"), of("2", "s", "k", "null"))
	given := []backend.Fact{of("3", "s", "k", "3")}
	for _, wrong := range []string{"", "1"} {
		e := backend.Expect{Store: "s", Key: "k", ID: wrong}
		h.wantConflict(b, log, backend.Batch{Facts: given, Expect: []backend.Expect{e}}, e, "2")
	}
	log = append(log, h.batch(b, given, backend.Expect{Store: "s", Key: "k", ID: "2"})...)
	if log[2].Causation != "2" {
		h.Fatalf("the fact after a retraction has causation %q, want %q", log[2].Causation, "2")
	}
	h.wantLog(b, log)
}

func expectEmptyBatch(h *harness) {
	b := h.open()
	log := h.write(b, of("1", "s", "k", "1"))
	right := []backend.Expect{{Store: "s", Key: "k", ID: "1"}, {Store: "s", Key: "none"}}
	h.batch(b, nil)
	h.batch(b, nil, right...)
	wrong := backend.Expect{Store: "s", Key: "k"}
	h.wantConflict(b, log, backend.Batch{Expect: append(right[1:], wrong)}, wrong, "1")
	h.wantLog(b, log)
}

func expectInvalid(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	for _, x := range []struct {
		field  string
		expect backend.Expect
	}{
		{"expect[1].store", backend.Expect{Key: "k"}},
		{"expect[1].store", backend.Expect{Store: "\xff", Key: "k"}},
		{"expect[1].key", backend.Expect{Store: "s", Key: "\xff"}},
		{"expect[1].id", backend.Expect{Store: "s", Key: "k", ID: "\xff"}},
	} {
		err := h.wantRefused(b, log, backend.Batch{Facts: facts(2)[1:], Expect: []backend.Expect{{Store: "s", Key: "k"}, x.expect}}, backend.ErrInvalid)
		var invalid *backend.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != x.field {
			h.Fatalf("error %v, want an *InvalidError that names %s", err, x.field)
		}
	}
}

func expectRace(h *harness) {
	b := h.open()
	latest := ""
	for round := range 40 {
		begin := make(chan struct{})
		errs := make([]error, writers)
		var tasks []*task
		for w := range writers {
			tasks = append(tasks, h.start(func() error {
				f := of(fmt.Sprintf("round-%d-%d", round, w), "s", "k", "1")
				<-begin
				_, errs[w] = h.putBatch(b, backend.Batch{Facts: []backend.Fact{f}, Expect: []backend.Expect{{Store: "s", Key: "k", ID: latest}}})
				return nil
			}))
		}
		close(begin)
		h.join(tasks...)
		winner, won := "", 0
		for w, err := range errs {
			if err == nil {
				winner = fmt.Sprintf("round-%d-%d", round, w)
				won++
			}
		}
		if won != 1 {
			h.Fatalf("round %d: %d of %d writers won: %v", round, won, writers, errs)
		}
		for _, err := range errs {
			var conflict *backend.ConflictError
			if err != nil && (!errors.As(err, &conflict) || conflict.Latest != winner) {
				h.Fatalf("round %d: a writer that lost to %q got error %v", round, winner, err)
			}
		}
		latest = winner
	}
	if n := len(h.replay(b, 0)); n != 40 {
		h.Fatalf("the log holds %d facts after 40 rounds with one winner each", n)
	}
}
