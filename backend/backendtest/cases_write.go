// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// writeCases are about the result of WriteFact, and about IDs.
func writeCases() []testCase {
	return []testCase{
		{"write-order", 0, "WriteFact appends f and returns it as the log holds it: Seq above every earlier one. Replay yields the facts in order.", writeOrder},
		{"write-seq-ignored", 0, "The Seq of a fact to be written is ignored.", writeSeqIgnored},
		{"write-again", 0, "Writing a fact whose ID its store already holds, with the same Key and ValueHash, changes nothing and returns the fact as first written.", writeAgain},
		{"write-id-reused", 0, "Writing an ID that its store already holds, with another Key or ValueHash, is ErrIDReused; nothing is written.", writeIDReused},
		{"write-id-of-stores", 0, "The same ID in another store names another fact.", func(h *harness) { writeIDOfStores(h, false) }},
		{"reopen-id-of-stores", reopening, "The same ID in another store names another fact, whenever the log was opened.", func(h *harness) { writeIDOfStores(h, true) }},
		{"write-causation", 0, "The log fills in Causation: the ID of the key's latest fact, \"\" if none exists.", writeCausation},
		{"write-causation-given", 0, "A given Causation is kept; the log fills in an empty one with the key's latest fact.", writeCausationGiven},
		{"write-transaction-time", 0, "The log fills in TransactionTime, never before the time of an earlier fact, and keeps a given one. While the latest time is ahead of the log's clock, later facts get later times.", writeTransactionTime},
		{"write-retraction", 0, "A retraction is a fact: it is held and replayed like any other.", writeRetraction},
		{"write-cancelled", 0, "If ctx is done before the call, nothing is written and the error is ctx's. Writing the fact again is always safe.", writeCancelled},
		{"write-again-late", batches, "A log remembers at least its latest 1,000,000 IDs.", writeAgainLate},
	}
}

func writeOrder(h *harness) {
	b := h.open()
	written := h.write(b, facts(40)...)
	last := uint64(0)
	for i, f := range written {
		if f.Seq <= last {
			h.Fatalf("fact %d has seq %d, and the one before it %d", i, f.Seq, last)
		}
		last = f.Seq
		h.wantSame("what WriteFact returned", []backend.Fact{f}, []backend.Fact{held(fact(i), f)})
	}
	h.wantLog(b, written)
}

func writeSeqIgnored(h *harness) {
	b := h.open()
	first := h.write(b, fact(0), fact(1))
	for i, seq := range []uint64{1 << 40, first[0].Seq, math.MaxUint64} {
		f := fact(2 + i)
		f.Seq = seq
		got := h.write(b, f)[0]
		if before := first[len(first)-1].Seq; got.Seq <= before || got.Seq == seq {
			h.Fatalf("a fact written with seq %d got seq %d, and the one before it has %d", seq, got.Seq, before)
		}
		first = append(first, got)
	}
	h.wantLog(b, first)
}

func writeAgain(h *harness) {
	b := h.open()
	given := append(facts(5), full("full"), of("full", "other", "k", "0"), of("Full", "other", "k", "1"), of("full ", "other", "k", "2"), of("f\u00fcll", "other", "k", "3"), of("fu\u0308ll", "other", "k", "4"))
	given[5].ValueHash = "a hash of another kind"
	log := h.write(b, given...)
	for i, f := range given {
		for _, again := range []backend.Fact{f, log[i]} {
			h.wantSame("a fact written again", h.write(b, again), log[i:i+1])
		}
	}
	other := of(given[1].ID, given[1].Store, given[1].Key, "{ \"n\" : 1 }") // the same canonical JSON
	other.Causation, other.SchemaVersion = "another", 9
	other.ValidTime, other.TransactionTime = time.Unix(1e9, 0), time.Unix(1e9, 1)
	other.Producer, other.Derivation = []byte("1"), []byte("2")
	h.wantSame("a fact written again with the same store, key and hash", h.write(b, other), log[1:2])
	h.wantLog(b, log)
	next := h.write(b, fact(6))[0]
	if next.Causation != log[3].ID {
		h.Fatalf("after facts written again, the key's next fact has causation %q, want %q", next.Causation, log[3].ID)
	}
}

func writeIDReused(h *harness) {
	b := h.open()
	given := fact(0)
	log := h.write(b, given, fact(1))
	for _, x := range []struct {
		what   string
		change func(f *backend.Fact)
	}{
		{"another key", func(f *backend.Fact) { f.Key = "other" }},
		{"another value", func(f *backend.Fact) { f.Value = []byte(`{"n":"other"}`) }},
		{"another hash", func(f *backend.Fact) { f.ValueHash = "other" }},
	} {
		f := given.Clone()
		x.change(&f)
		got, err := h.put(b, f)
		h.wantError("the ID of a fact with "+x.what, err, backend.ErrIDReused)
		h.wantSame("the fact beside the error", []backend.Fact{got}, []backend.Fact{{}})
		h.wantLog(b, log)
	}
	log = append(log, h.write(b, fact(2))...)
	h.wantLog(b, log)
}

func writeIDOfStores(h *harness, reopen bool) {
	b := h.open()
	const uuid = "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76b"
	var given []backend.Fact
	for _, name := range [][2]string{{"s", "same"}, {"t", "same"}, {"ss", "ame"}, {"s ", "same"}, {"S", "same"}, {"s", uuid}, {"t", uuid}, {"u", "same"}} {
		given = append(given, of(name[1], name[0], "k", `{"n":1}`))
	}
	log := h.write(b, given[:6]...)
	if reopen {
		b = h.reopen(b)
	}
	log = append(log, h.write(b, given[6:]...)...)
	for i, f := range log {
		if last := i - 1; last >= 0 && f.Seq <= log[last].Seq {
			h.Fatalf("ID %q of store %q got seq %d, after seq %d: it was taken for a fact of another store", f.ID, f.Store, f.Seq, log[last].Seq)
		}
		if want := map[int]string{5: "same", 6: "same"}[i]; f.Causation != want {
			h.Fatalf("ID %q of store %q has causation %q, want %q", f.ID, f.Store, f.Causation, want)
		}
	}
	for i, f := range given {
		h.wantSame("a fact written again whose ID other stores have", h.write(b, f), log[i:i+1])
		f.Value = []byte(`{"n":2}`)
		_, err := h.put(b, f)
		h.wantError("another fact under an ID that other stores have, too", err, backend.ErrIDReused)
	}
	if b.Features().Prune { // it forgets the ID in one store
		h.prune(b, log[0].Seq)
		log = log[1:]
		h.wantSame("a fact written again after the fact of another store was pruned", h.write(b, given[1]), log[:1])
		log = append(log, h.write(b, given[0])...)
	}
	if b.Features().Batches {
		log = append(log, h.batch(b, []backend.Fact{of("batch", "s", "k", "1"), of("batch", "t", "k", "1"), of("batch", "s ", "k", "1")})...)
	}
	h.wantLog(b, log)
}

func writeCausation(h *harness) {
	b := h.open()
	latest := map[[2]string]string{}
	for i, name := range [][2]string{
		{"a", "k"}, {"a", "k"}, {"b", "k"}, {"a", "k2"}, {"a", "k"}, {"b", "k"}, {"a", ""}, {"b", ""}, {"a", ""},
		{"a", "bc"}, {"ab", "c"}, {"a/b", "c"}, {"a", "b/c"}, {"a\x00b", "c"}, {"a", "b\x00c"}, {"a:b", "c"}, {"a", "b:c"},
		{"A", "k"}, {"a", "K"}, {"a", "k"}, {"a", "\u00e9"}, {"a", "e\u0301"}, {"a", " k"}, {"a", "k "}, {"a", "k"}, {"a ", "k"},
	} {
		f := of(fact(i).ID, name[0], name[1], "1")
		if got := h.write(b, f)[0]; got.Causation != latest[name] {
			h.Fatalf("fact %d, of key %q in store %q, has causation %q, want %q", i, name[1], name[0], got.Causation, latest[name])
		}
		latest[name] = f.ID
	}
	for _, f := range h.replay(b, 0)[:2] {
		if want := map[string]string{"fact-000000": "", "fact-000001": "fact-000000"}[f.ID]; f.Causation != want {
			h.Fatalf("%q was replayed with causation %q, want %q", f.ID, f.Causation, want)
		}
	}
}

func writeCausationGiven(h *harness) {
	b := h.open()
	first, second, third := of("1", "s", "k", "1"), of("2", "s", "k", "2"), of("3", "s", "k", "3")
	first.Causation = "long ago"
	second.Causation = "elsewhere"
	second.TransactionTime = time.Unix(1000, 0) // the latest fact is the last one in the log, whatever its time
	log := h.write(b, first, second, third)
	for i, want := range []string{"long ago", "elsewhere", "2"} {
		if log[i].Causation != want {
			h.Fatalf("fact %d has causation %q, want %q", i+1, log[i].Causation, want)
		}
	}
	h.wantLog(b, log)
}

func writeTransactionTime(h *harness) {
	b := h.open()
	past, future := fact(3), fact(5)
	past.TransactionTime = time.Date(1999, 12, 31, 23, 59, 59, 1, time.UTC)
	future.TransactionTime = time.Date(2500, 1, 1, 0, 0, 0, 999999999, time.UTC)
	log := h.write(b, fact(0), fact(1), fact(2), past, fact(4), future, fact(6), fact(7))
	highest := time.Time{}
	for i, f := range log {
		if i == 3 || i == 5 {
			given := []backend.Fact{past, future}[(i-3)/2]
			if !f.TransactionTime.Equal(given.TransactionTime) {
				h.Fatalf("the given transaction time %v became %v", given.TransactionTime, f.TransactionTime)
			}
		} else if f.TransactionTime.IsZero() || f.TransactionTime.Before(highest) {
			h.Fatalf("fact %d was given transaction time %v; an earlier fact has %v", i, f.TransactionTime, highest)
		}
		if i > 5 && !f.TransactionTime.After(highest) {
			h.Fatalf("fact %d was given transaction time %v, which an earlier fact has, while the log's time is ahead of the clock", i, f.TransactionTime)
		}
		if f.TransactionTime.After(highest) {
			highest = f.TransactionTime
		}
	}
	h.wantLog(b, log)
}

func writeRetraction(h *harness) {
	b := h.open()
	log := h.write(b, of("1", "s", "k", `{"n":1}`), of("2", "s", "k", "null"), of("3", "s", "k", `{"n":2}`), of("4", "s", "never", "null"))
	for i, want := range []string{"", "1", "2", ""} {
		f := log[i]
		if f.Retraction() != (i == 1 || i == 3) || f.Causation != want {
			h.Fatalf("fact %q: retraction %v, causation %q, want causation %q", f.ID, f.Retraction(), f.Causation, want)
		}
	}
	h.wantLog(b, log)
}

func writeCancelled(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	f := fact(3)
	got, err := b.WriteFact(ctx, f)
	h.wantError("WriteFact with a cancelled context", err, context.Canceled)
	h.wantSame("the fact beside the error", []backend.Fact{got}, []backend.Fact{{}})
	h.wantLog(b, log)
	log = append(log, h.write(b, f)...)
	log = append(log, h.write(b, fact(6))...)
	h.wantLog(b, log)
	if log[2].Causation != f.ID {
		h.Fatalf("the next fact has causation %q, want %q", log[2].Causation, f.ID)
	}
}

func writeAgainLate(h *harness) {
	b := h.open()
	const batches = 24
	size := 500
	if b.Features().AllIDs {
		size = 50 // the case ids-all writes as many
	}
	given := facts(size * batches)
	var log []backend.Fact
	for i := range batches {
		log = append(log, h.batch(b, given[i*size:][:size])...)
	}
	for _, i := range []int{0, 1, size - 1, size, len(log) / 2, len(log) - 1} {
		h.wantSame(fmt.Sprintf("a fact written again after %d others", len(log)-1-i), h.write(b, given[i]), log[i:i+1])
		_, err := h.put(b, of(given[i].ID, "tasks", "t0", `"another"`))
		h.wantError(fmt.Sprintf("another fact under an ID from %d facts ago", len(log)-1-i), err, backend.ErrIDReused)
	}
	h.wantSame("the first batch written again", h.batch(b, given[:size]), log[:size])
	h.wantLog(b, log)
}
