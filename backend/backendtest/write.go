package backendtest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// writeCases are about what WriteFact gives, and about IDs.
func writeCases() []testCase {
	return []testCase{
		{"write-order", 0, "WriteFact appends f and returns it as the log holds it: Seq above every earlier one. Replay yields the facts in order.", writeOrder},
		{"write-seq-ignored", 0, "Writers leave Seq 0, and what they put there is ignored.", writeSeqIgnored},
		{"write-again", 0, "Writing a fact that the log holds already, with the same Store, Key and ValueHash, changes nothing and returns the fact as first written.", writeAgain},
		{"write-id-reused", 0, "Writing an ID that the log holds already with another Store, Key or ValueHash is ErrIDReused; nothing is written.", writeIDReused},
		{"write-causation", 0, "Causation is the ID of the key's fact before this one, \"\" where there is none.", writeCausation},
		{"write-causation-given", 0, "A Causation that is given is kept; the log fills in an empty one with the key's latest fact.", writeCausationGiven},
		{"write-transaction-time", 0, "The log gives a TransactionTime where f gives none, never before that of an earlier fact; one that is given is kept.", writeTransactionTime},
		{"write-retraction", 0, "The value null retracts, and a retraction is a fact: it is held, replayed and followed like any other.", writeRetraction},
		{"write-cancelled", 0, "With a ctx that is done before the call WriteFact writes nothing and returns ctx's error; writing the fact again is always safe.", writeCancelled},
		{"write-again-late", batches, "A log remembers at least its latest 1,000,000 IDs.", writeAgainLate},
	}
}

func writeOrder(l *lab) {
	b := l.open()
	written := l.write(b, facts(40)...)
	last := uint64(0)
	for i, f := range written {
		if f.Seq <= last {
			l.Fatalf("fact %d has seq %d, and the one before it %d", i, f.Seq, last)
		}
		last = f.Seq
		l.same("what WriteFact returned", []backend.Fact{f}, []backend.Fact{held(fact(i), f)})
	}
	l.holds(b, written)
}

func writeSeqIgnored(l *lab) {
	b := l.open()
	first := l.write(b, fact(0), fact(1))
	for i, seq := range []uint64{1 << 40, first[0].Seq, math.MaxUint64} {
		f := fact(2 + i)
		f.Seq = seq
		got := l.write(b, f)[0]
		if before := first[len(first)-1].Seq; got.Seq <= before || got.Seq == seq {
			l.Fatalf("a fact written with seq %d got seq %d, and the one before it has %d", seq, got.Seq, before)
		}
		first = append(first, got)
	}
	l.holds(b, first)
}

func writeAgain(l *lab) {
	b := l.open()
	given := append(facts(5), full("full"))
	given[5].ValueHash = "a hash of another kind"
	log := l.write(b, given...)
	for i, f := range given {
		for _, again := range []backend.Fact{f, log[i]} {
			l.same("a fact written again", l.write(b, again), log[i:i+1])
		}
	}
	other := of(given[1].ID, given[1].Store, given[1].Key, "{ \"n\" : 1 }") // the same canonical JSON
	other.Causation, other.SchemaVersion = "another", 9
	other.ValidTime, other.TransactionTime = time.Unix(1e9, 0), time.Unix(1e9, 1)
	other.Producer, other.Derivation = []byte("1"), []byte("2")
	l.same("a fact written again with the same store, key and hash", l.write(b, other), log[1:2])
	l.holds(b, log)
	next := l.write(b, fact(6))[0]
	if next.Causation != log[3].ID {
		l.Fatalf("after facts written again, the key's next fact has causation %q, want %q", next.Causation, log[3].ID)
	}
}

func writeIDReused(l *lab) {
	b := l.open()
	given := fact(0)
	log := l.write(b, given, fact(1))
	for _, x := range []struct {
		what   string
		change func(f *backend.Fact)
	}{
		{"another store", func(f *backend.Fact) { f.Store = "other" }},
		{"another key", func(f *backend.Fact) { f.Key = "other" }},
		{"another value", func(f *backend.Fact) { f.Value = []byte(`{"n":"other"}`) }},
		{"another hash", func(f *backend.Fact) { f.ValueHash = "other" }},
		{"store and key cut elsewhere", func(f *backend.Fact) { f.Store, f.Key = "task", "st0" }},
	} {
		f := given.Clone()
		x.change(&f)
		got, err := b.WriteFact(l.ctx, f)
		l.wants("the ID of a fact with "+x.what, err, backend.ErrIDReused)
		l.same("the fact beside the error", []backend.Fact{got}, []backend.Fact{{}})
		l.holds(b, log)
	}
	log = append(log, l.write(b, fact(2))...)
	l.holds(b, log)
}

func writeCausation(l *lab) {
	b := l.open()
	latest := map[[2]string]string{}
	for i, name := range [][2]string{
		{"a", "k"}, {"a", "k"}, {"b", "k"}, {"a", "k2"}, {"a", "k"}, {"b", "k"}, {"a", ""}, {"b", ""}, {"a", ""},
		{"a", "bc"}, {"ab", "c"}, {"a/b", "c"}, {"a", "b/c"}, {"a\x00b", "c"}, {"a", "b\x00c"}, {"a:b", "c"}, {"a", "b:c"},
		{"A", "k"}, {"a", "K"}, {"a", "k"}, {"a", "\u00e9"}, {"a", "e\u0301"}, {"a", " k"},
	} {
		f := of(fact(i).ID, name[0], name[1], "1")
		if got := l.write(b, f)[0]; got.Causation != latest[name] {
			l.Fatalf("fact %d, of key %q in store %q, has causation %q, want %q", i, name[1], name[0], got.Causation, latest[name])
		}
		latest[name] = f.ID
	}
	for _, f := range l.replay(b, 0)[:2] {
		if want := map[string]string{"fact-000000": "", "fact-000001": "fact-000000"}[f.ID]; f.Causation != want {
			l.Fatalf("%q was replayed with causation %q, want %q", f.ID, f.Causation, want)
		}
	}
}

func writeCausationGiven(l *lab) {
	b := l.open()
	first, second, third := of("1", "s", "k", "1"), of("2", "s", "k", "2"), of("3", "s", "k", "3")
	first.Causation = "long ago"
	second.Causation = "elsewhere"
	second.TransactionTime = time.Unix(1000, 0) // the latest fact is the last in the log, whatever its time
	log := l.write(b, first, second, third)
	for i, want := range []string{"long ago", "elsewhere", "2"} {
		if log[i].Causation != want {
			l.Fatalf("fact %d has causation %q, want %q", i+1, log[i].Causation, want)
		}
	}
	l.holds(b, log)
}

func writeTransactionTime(l *lab) {
	b := l.open()
	past, future := fact(3), fact(5)
	past.TransactionTime = time.Date(1999, 12, 31, 23, 59, 59, 1, time.UTC)
	future.TransactionTime = time.Date(2500, 1, 1, 0, 0, 0, 999999999, time.UTC)
	log := l.write(b, fact(0), fact(1), fact(2), past, fact(4), future, fact(6), fact(7))
	highest := time.Time{}
	for i, f := range log {
		if i == 3 || i == 5 {
			given := []backend.Fact{past, future}[(i-3)/2]
			if !f.TransactionTime.Equal(given.TransactionTime) {
				l.Fatalf("the given transaction time %v became %v", given.TransactionTime, f.TransactionTime)
			}
		} else if f.TransactionTime.IsZero() || f.TransactionTime.Before(highest) {
			l.Fatalf("fact %d was given transaction time %v; an earlier fact has %v", i, f.TransactionTime, highest)
		}
		if f.TransactionTime.After(highest) {
			highest = f.TransactionTime
		}
	}
	l.holds(b, log)
}

func writeRetraction(l *lab) {
	b := l.open()
	log := l.write(b, of("1", "s", "k", `{"n":1}`), of("2", "s", "k", "null"), of("3", "s", "k", `{"n":2}`), of("4", "s", "never", "null"))
	for i, want := range []string{"", "1", "2", ""} {
		f := log[i]
		if f.Retraction() != (i == 1 || i == 3) || f.Causation != want {
			l.Fatalf("fact %q: retraction %v, causation %q, want causation %q", f.ID, f.Retraction(), f.Causation, want)
		}
	}
	l.holds(b, log)
}

func writeCancelled(l *lab) {
	b := l.open()
	log := l.write(b, fact(0))
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	f := fact(3)
	got, err := b.WriteFact(ctx, f)
	l.wants("WriteFact with a cancelled context", err, context.Canceled)
	l.same("the fact beside the error", []backend.Fact{got}, []backend.Fact{{}})
	l.holds(b, log)
	log = append(log, l.write(b, f)...)
	log = append(log, l.write(b, fact(6))...)
	l.holds(b, log)
	if log[2].Causation != f.ID {
		l.Fatalf("the next fact has causation %q, want %q", log[2].Causation, f.ID)
	}
}

func writeAgainLate(l *lab) {
	b := l.open()
	const size, batches = 500, 24
	given := facts(size * batches)
	var log []backend.Fact
	for i := range batches {
		log = append(log, l.batch(b, given[i*size:][:size])...)
	}
	for _, i := range []int{0, 1, size - 1, size, len(log) / 2, len(log) - 1} {
		l.same(fmt.Sprintf("a fact written again after %d others", len(log)-1-i), l.write(b, given[i]), log[i:i+1])
		_, err := b.WriteFact(l.ctx, of(given[i].ID, "tasks", "t0", `"another"`))
		l.wants(fmt.Sprintf("another fact under an ID from %d facts ago", len(log)-1-i), err, backend.ErrIDReused)
	}
	l.same("the first batch written again", l.batch(b, given[:size]), log[:size])
	l.holds(b, log)
}
