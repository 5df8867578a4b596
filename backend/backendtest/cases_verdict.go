// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// verdictCases are about the verdicts of Write on many batches.
func verdictCases() []testCase {
	const each = "Write writes batches in their order, each with a verdict of its own. "
	const first = "Written.First: facts with a seq >= First are new to the log; 0: none of them are, or it is not known. "
	return []testCase{
		{"verdict", 0, each + "Batches of one fact without expectations are written by every log, as by WriteFact.", verdict},
		{"verdict-refused", 0, "Written has an element for each batch, and a refused batch does not affect the others.", verdictRefused},
		{"verdict-order", batches, each + "Expectations are checked against the earlier batches, too.", verdictOrder},
		{"verdict-refused-batch", batches, "A refused batch does not affect the others.", verdictRefusedBatch},
		{"verdict-first", 0, first, verdictFirst},
		{"verdict-first-batch", batches, first, verdictFirstBatch},
		{"verdict-same", 0, "Every write is the same, by WriteFact or Write: the same facts, causation, times and errors.", verdictSame},
		{"verdict-concurrent", 0, each + "Others write meanwhile.", verdictConcurrent},
		{"verdict-returned", 0, "Replay yields the same bytes that WriteFact returned.", verdictReturned},
		{"verdict-cancelled", 0, "If ctx is done before the call, nothing is written: each verdict is ctx's error.", verdictCancelled},
	}
}

// verdicts writes batches in one call, and checks the rules that hold for every verdict.
func (h *harness) verdicts(b backend.Log, all ...backend.Batch) []backend.Written {
	h.Helper()
	held := map[uint64]bool{}
	for _, f := range h.replay(b, 0) {
		held[f.Seq] = true
	}
	written := b.Write(h.ctx, all...)
	if len(written) != len(all) {
		h.Fatalf("Write of %d batches returned %d verdicts", len(all), len(written))
	}
	for i, w := range written {
		want := len(all[i].Facts)
		if w.Err != nil {
			want = 0
		}
		if len(w.Facts) != want {
			h.Fatalf("verdict %d, on %d facts, has %d facts and error %v", i, len(all[i].Facts), len(w.Facts), w.Err)
		}
		if w.Err != nil && w.First != 0 {
			h.Fatalf("verdict %d has First %d and error %v", i, w.First, w.Err)
		}
		h.acknowledge(w.Facts...)
		for _, f := range w.Facts {
			if fresh := !held[f.Seq]; w.First != 0 && fresh != w.New(&f) {
				h.Fatalf("verdict %d has First %d; fact %q of seq %d is new to the log: %v", i, w.First, f.ID, f.Seq, fresh)
			}
		}
		for _, f := range w.Facts {
			held[f.Seq] = true
		}
	}
	return written
}

// one returns a batch of one fact.
func one(f backend.Fact) backend.Batch { return backend.Batch{Facts: []backend.Fact{f}} }

// ones returns batches of one fact each.
func ones(facts []backend.Fact) []backend.Batch {
	all := make([]backend.Batch, len(facts))
	for i, f := range facts {
		all[i] = one(f)
	}
	return all
}

// wantWritten fails the case unless every verdict is good, and returns the facts.
func (h *harness) wantWritten(all []backend.Written) []backend.Fact {
	h.Helper()
	var facts []backend.Fact
	for i, w := range all {
		if w.Err != nil {
			h.Fatalf("verdict %d: %v", i, w.Err)
		}
		facts = append(facts, w.Facts...)
	}
	return facts
}

func verdict(h *harness) {
	b := h.open()
	h.verdicts(b)
	h.wantLog(b, nil)
	given := append(facts(30), rich()[0], rich()[4])
	log := h.wantWritten(h.verdicts(b, ones(given)...))
	for i, f := range log {
		h.wantSame("a written fact", []backend.Fact{f}, []backend.Fact{held(given[i], f)})
	}
	h.wantLog(b, log)
	log = append(log, h.wantWritten(h.verdicts(b, one(fact(30)), one(fact(31))))...)
	log = append(log, h.write(b, fact(32))...)
	h.wantLog(b, log)
}

func verdictRefused(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	invalid, reused, nameless := fact(2), fact(4), fact(6)
	invalid.Value = []byte(`{"a":1,"a":2}`)
	reused.ID = fact(0).ID
	nameless.Store = ""
	all := h.verdicts(b, one(fact(1)), one(invalid), one(fact(3)), one(reused), one(fact(5)), one(nameless), one(fact(0)), one(fact(7)))
	for i, want := range []error{nil, backend.ErrInvalid, nil, backend.ErrIDReused, nil, backend.ErrInvalid, nil, nil} {
		h.wantError(fmt.Sprintf("verdict %d", i), all[i].Err, want)
		if i != 6 {
			log = append(log, all[i].Facts...)
		}
	}
	h.wantSame("a fact written again", all[6].Facts, log[:1])
	h.wantLog(b, log)
}

func verdictOrder(h *harness) {
	b := h.open()
	given := func(n int, latest string) backend.Batch {
		return backend.Batch{Facts: []backend.Fact{of(fmt.Sprint(n), "s", "k", "1"), of(fmt.Sprint(n, "b"), "s", "other", "1")}, Expect: []backend.Expect{{Store: "s", Key: "k", ID: latest}}}
	}
	all := h.verdicts(b, given(0, ""), given(1, "0"), given(2, "0"), given(3, "1"), backend.Batch{Expect: []backend.Expect{{Store: "s", Key: "k", ID: "3"}}}, given(4, "2"))
	for i, want := range []error{nil, nil, backend.ErrConflict, nil, nil, backend.ErrConflict} {
		h.wantError(fmt.Sprintf("verdict %d", i), all[i].Err, want)
	}
	var log []backend.Fact
	for _, w := range all {
		log = append(log, w.Facts...)
	}
	if log[2].Causation != "0" || log[4].Causation != "1" {
		h.Fatalf("the facts have causations %q and %q, want %q and %q", log[2].Causation, log[4].Causation, "0", "1")
	}
	h.wantLog(b, log)
}

func verdictRefusedBatch(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	invalid, reused := facts(9)[6:9], facts(12)[9:12]
	invalid[2].Value = []byte(`{"a":1,"a":2}`)
	reused[1].ID = fact(0).ID
	all := h.verdicts(b,
		backend.Batch{Facts: facts(3)[1:]},
		backend.Batch{Facts: facts(6)[3:6], Expect: []backend.Expect{{Store: "tasks", Key: "t0"}}},
		backend.Batch{Facts: invalid},
		backend.Batch{Facts: facts(6)[3:6]},
		backend.Batch{Facts: reused},
		backend.Batch{Facts: facts(12)[11:]})
	for i, want := range []error{nil, backend.ErrConflict, backend.ErrInvalid, nil, backend.ErrIDReused, nil} {
		h.wantError(fmt.Sprintf("verdict %d", i), all[i].Err, want)
		log = append(log, all[i].Facts...)
	}
	h.wantLog(b, log)
	if log[5].Causation != fact(2).ID || log[6].Causation != fact(5).ID {
		h.Fatalf("after batches that were refused, causations are %q and %q, want %q and %q", log[5].Causation, log[6].Causation, fact(2).ID, fact(5).ID)
	}
}

func verdictFirst(h *harness) {
	b := h.open()
	log := h.write(b, facts(4)...)
	all := h.verdicts(b, one(fact(2)), one(fact(4)), one(fact(4)), one(fact(0)), one(fact(5)))
	log = append(log, all[1].Facts[0], all[4].Facts[0])
	h.wantSame("the facts", h.wantWritten(all), []backend.Fact{log[2], log[4], log[4], log[0], log[5]})
	h.wantLog(b, log)
}

func verdictFirstBatch(h *harness) {
	b := h.open()
	log := h.write(b, facts(4)...)
	all := h.verdicts(b,
		backend.Batch{Facts: facts(4)},
		backend.Batch{Facts: facts(7)[4:]},
		backend.Batch{Facts: []backend.Fact{fact(8), fact(1), fact(9), fact(8)}},
		backend.Batch{Facts: []backend.Fact{fact(9), fact(3)}},
		backend.Batch{Facts: []backend.Fact{fact(3), fact(10)}},
		backend.Batch{})
	h.wantWritten(all)
	log = append(log, all[1].Facts...)
	log = append(log, all[2].Facts[0], all[2].Facts[2], all[4].Facts[1])
	h.wantLog(b, log)
}

func verdictSame(h *harness) {
	var logs [2][]backend.Fact
	var errs [2][]string
	for i := range logs {
		h.newLog()
		b := h.open()
		given := append(append(facts(5), rich()...), of("1", "s", "k", " [1 , 2]\n"), fact(1), of("1", "s", "k", "null"), of("", "s", "k", "1"), of("2", "s", "k", "null"), of("3", "s", "k", "1"))
		for _, f := range given {
			f.TransactionTime = full("").ValidTime
			var got backend.Fact
			var err error
			if i == 0 {
				got, err = h.put(b, f)
			} else {
				w := h.verdicts(b, one(f))[0]
				if err = w.Err; err == nil {
					got = w.Facts[0]
				}
			}
			got.Seq = 0 // logs may number differently
			logs[i] = append(logs[i], got)
			errs[i] = append(errs[i], fmt.Sprint(err != nil))
		}
	}
	h.wantSame("what Write returned, compared with WriteFact,", logs[1], logs[0])
	if fmt.Sprint(errs[0]) != fmt.Sprint(errs[1]) {
		h.Fatalf("whether WriteFact returns errors: %v, and Write: %v", errs[0], errs[1])
	}
}

func verdictConcurrent(h *harness) {
	b := h.open()
	first := h.write(b, fact(0))
	told := make([][]backend.Fact, writers)
	tasks := make([]*task, writers)
	for w := range writers {
		tasks[w] = h.start(func() error {
			for i := range 12 {
				given := ones([]backend.Fact{by(w, 4*i), fact(0), by(w, 4*i+1), by(w, 4*i+2), by(w, 4*i+3)})
				given[3].Facts[0].Store = "" // refused
				all := b.Write(h.ctx, given...)
				if len(all) != len(given) {
					return fmt.Errorf("writer %d: Write of %d batches returned %d verdicts", w, len(given), len(all))
				}
				for j, v := range all {
					switch {
					case j == 3:
						if !errors.Is(v.Err, backend.ErrInvalid) {
							return fmt.Errorf("writer %d, verdict %d: error %w, want one of an invalid fact", w, j, v.Err)
						}
					case v.Err != nil:
						return fmt.Errorf("writer %d, verdict %d: %w", w, j, v.Err)
					case len(v.Facts) != 1 || v.Facts[0].ID != given[j].Facts[0].ID:
						return fmt.Errorf("writer %d, verdict %d is not about fact %q", w, j, given[j].Facts[0].ID)
					case j == 1 && v.First != 0 || j != 1 && v.First != 0 && v.First != v.Facts[0].Seq:
						return fmt.Errorf("writer %d, verdict %d, on seq %d, has First %d", w, j, v.Facts[0].Seq, v.First)
					case j != 1:
						told[w] = append(told[w], v.Facts[0])
					}
				}
			}
			return nil
		})
	}
	h.join(tasks...)
	h.wantAll(h.replay(b, 0), append(told, first))
}

// odd returns facts whose values have white space and escapes that a log might tidy.
func odd(prefix string) []backend.Fact {
	var all []backend.Fact
	for i, v := range []string{" 1", "\n\t{\"a\" : [ 1.0e-07 , \"\\u00e9\\/\" ] }\r\n", "null ", ` "x" `, "{}", "[1,\n2] "} {
		f := of(fmt.Sprint(prefix, i), "s", "k", v)
		f.Producer, f.Derivation = []byte(v), []byte(" "+v)
		all = append(all, f)
	}
	return all
}

func verdictReturned(h *harness) {
	b := h.open()
	var log []backend.Fact
	for i, f := range append(odd("a"), odd("b")...) {
		if i%2 == 0 {
			log = append(log, h.write(b, f)...)
		} else {
			log = append(log, h.wantWritten(h.verdicts(b, one(f)))...)
		}
	}
	h.wantLog(b, log)
	h.snapshot(b, 0)
	h.wantLog(b, log)
	got, err := take(followOf(h.ctx, b, from(0)), len(log))
	if err != nil {
		h.Fatalf("Follow: %v", err)
	}
	h.wantSame("what was followed", got, log)
	h.wantSame("facts written again", h.write(b, odd("a")...), log[:6])
}

func verdictCancelled(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	all := b.Write(ctx, ones(facts(4))...)
	if len(all) != 4 {
		h.Fatalf("Write of 4 batches with a cancelled context returned %d verdicts", len(all))
	}
	for i, w := range all {
		h.wantError(fmt.Sprintf("verdict %d of Write with a cancelled context", i), w.Err, context.Canceled)
		if len(w.Facts) > 0 || w.First != 0 {
			h.Fatalf("the error came with %d facts and First %d", len(w.Facts), w.First)
		}
	}
	h.wantLog(b, log)
	log = append(log, h.wantWritten(h.verdicts(b, ones(facts(4)[1:])...))...)
	h.wantLog(b, log)
}
