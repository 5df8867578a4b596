package backendtest

import (
	"github.com/igniter-store/igniter/backend"
)

// copyCases are about who owns the memory of facts.
func copyCases() []testCase {
	const out = "Facts given out are the caller's to keep and change: no later call touches their memory, and changing it does not change the log."
	return []testCase{
		{"copy-in", 0, "The bytes of a fact taken in are copied before the call returns.", copyIn},
		{"copy-in-batch", batches, "The bytes of a fact taken in are copied before the call returns.", copyInBatch},
		{"copy-out-write", 0, out, copyOutWrite},
		{"copy-out-replay", 0, out, copyOutReplay},
		{"copy-out-batch", batches, out, copyOutBatch},
		{"copy-out-follow", following, out, copyOutFollow},
	}
}

// rich returns facts with bytes in every field that can share them, the last with nothing to fill in.
func rich() []backend.Fact {
	all := []backend.Fact{full("1"), full("2"), fact(0), full("3"), full("4")}
	all[3].Key = "other"
	all[4].ValueHash, all[4].Causation = "given", "given"
	all[4].TransactionTime = all[4].ValidTime
	return all
}

func copyIn(l *lab) {
	b := l.open()
	var log []backend.Fact
	for _, f := range rich() {
		given := f.Clone()
		got, err := b.WriteFact(l.ctx, f)
		if err != nil {
			l.Fatalf("WriteFact: %v", err)
		}
		scribble(f)
		l.same("the returned fact, after the one given was overwritten", []backend.Fact{got}, []backend.Fact{held(given, got)})
		log = append(log, held(given, got))
	}
	l.holds(b, log)
}

func copyInBatch(l *lab) {
	b := l.open()
	given := rich()
	log := clones(given)
	got := l.batch(b, given)
	for i := range given {
		log[i] = held(log[i], got[i])
		scribble(given[i])
		given[i] = backend.Fact{}
	}
	l.same("the returned facts, after those given were overwritten", got, log)
	l.holds(b, log)
}

func copyOutWrite(l *lab) {
	b := l.open()
	given := rich()
	var log []backend.Fact
	for _, f := range given {
		before := f.Clone()
		got := l.write(b, f)[0]
		log = append(log, got.Clone())
		scribble(got)
		l.same("the writer's own fact, after the returned one was overwritten", []backend.Fact{f}, []backend.Fact{before})
	}
	for i, f := range given { // a fact written again is given out anew
		scribble(l.write(b, f)[0])
		l.same("a fact written again", l.write(b, f), log[i:i+1])
	}
	l.holds(b, log)
	l.holds(l.shown(b), log)
}

func copyOutReplay(l *lab) {
	b := l.open()
	log := clones(l.write(b, rich()...))
	for range 2 {
		kept := l.replay(b, 0)
		again := l.replay(b, 0)
		for i, f := range again {
			scribble(f)
			again[i] = log[i]
			l.same("the other facts, after one was overwritten", again[i+1:], log[i+1:])
		}
		l.same("facts kept from an earlier loop", kept, log)
		l.holds(b, log)
		l.shown(b)
	}
}

// shown consolidates the log, so that what follows reads what a snapshot holds.
func (l *lab) shown(b backend.Backend) backend.Backend {
	l.Helper()
	l.snapshot(b, 0)
	return b
}

func copyOutBatch(l *lab) {
	b := l.open()
	given := rich()
	before := clones(given)
	for range 2 { // the second time, all are held already
		got := l.batch(b, given)
		log := clones(got)
		for i, f := range got {
			scribble(f)
			got[i] = log[i]
			l.same("the other facts, after one was overwritten", got[i+1:], log[i+1:])
		}
		l.same("the writer's own facts, after the returned ones were overwritten", given, before)
		l.holds(b, log)
	}
}

func copyOutFollow(l *lab) {
	b := l.open()
	log := clones(l.write(b, rich()...))
	for range 2 {
		kept, err := take(backend.Follow(l.ctx, b, 0), len(log))
		if err != nil {
			l.Fatalf("Follow: %v", err)
		}
		again, err := take(backend.Follow(l.ctx, b, 0), len(log))
		if err != nil {
			l.Fatalf("Follow: %v", err)
		}
		for i, f := range again {
			scribble(f)
			l.same("the other facts, after one was overwritten", again[i+1:], log[i+1:])
		}
		l.same("facts kept from an earlier loop", kept, log)
		l.holds(b, log)
	}
}
