package backendtest

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// pruneCases are about Prune and Stats.
func pruneCases() []testCase {
	const forgets = "The log forgets the pruned facts' IDs, a key's latest fact becomes the latest one left, and a key with none left is as if it was never written."
	return []testCase{
		{"prune", pruning, "Prune removes the facts at the given seqs for good, leaving the others' seqs as they are.", prune},
		{"prune-missing", pruning, "Seqs may come in any order and more than once; those that hold no fact are counted as missing.", pruneMissing},
		{"prune-latest", pruning, forgets, pruneLatest},
		{"prune-expect", pruning | batches, forgets, pruneExpect},
		{"prune-id", pruning, forgets, pruneID},
		{"prune-last", pruning, "Seqs of pruned facts are not given again.", pruneLast},
		{"prune-snapshot", pruning, "Prune removes the facts for good, from what a snapshot holds too; WriteSnapshot never changes what Replay yields.", pruneSnapshot},
		{"prune-body", pruning, "The loop's body may call any method, Close excepted, and no lock is held while it runs.", pruneBody},
		{"prune-follow", pruning | following, "Follow yields the facts after seq after, then each new one; a pruned seq is a cursor like any other.", pruneFollow},
		{"prune-cancelled", pruning, "With a ctx that is done before the call Prune removes nothing and returns ctx's error. After an error a part of the facts may be gone; pruning the same seqs again is safe.", pruneCancelled},
		{"stats-while-writing", stating, "Stats.LastSeq: the highest seq of a fact ever acknowledged: each Replay begun later has all through it.", statsWhileWriting},
		{"stats", stating, "Stats: the seq of the first fact held, the highest one ever given out, and how many facts the log holds, each 0 for an empty log.", stats},
		{"stats-pruned", stating | pruning, "FirstSeq is that of the first fact held, 0 if the log holds none; LastSeq is the highest one ever given out.", statsPruned},
	}
}

// reports fails the case unless got is what Prune should report.
func (l *lab) reports(got backend.PruneReport, pruned, missing uint64) {
	l.Helper()
	if want := (backend.PruneReport{Pruned: pruned, Missing: missing}); got != want {
		l.Fatalf("Prune reports %+v, want %+v", got, want)
	}
}

func prune(l *lab) {
	b := l.open()
	log := l.write(b, facts(20)...)
	l.reports(l.prune(b), 0, 0)
	l.holds(b, log)
	l.reports(l.prune(b, log[0].Seq, log[7].Seq, log[8].Seq, log[19].Seq), 4, 0)
	left := without(log, 0, 7, 8, 19)
	l.holds(b, left)
	for _, seq := range cursors(log) {
		l.same("a part of the pruned log", l.replay(b, seq), after(left, seq))
	}
	left = append(left, l.write(b, fact(20))...)
	l.holds(b, left)
	l.reports(l.prune(b, seqs(left)...), uint64(len(left)), 0)
	l.holds(b, nil)
	l.holds(b, l.write(b, fact(21)))
}

func pruneMissing(l *lab) {
	b := l.open()
	l.reports(l.prune(b, 1, 5), 0, 2)
	log := l.write(b, facts(10)...)
	last := log[9].Seq
	l.reports(l.prune(b, log[6].Seq, last+1, log[2].Seq, 0, log[6].Seq, log[4].Seq, math.MaxUint64), 3, 3)
	left := without(log, 2, 4, 6)
	l.holds(b, left)
	l.reports(l.prune(b, log[6].Seq, log[4].Seq, log[2].Seq), 0, 3)
	l.holds(b, left)
	l.reports(l.prune(b, last, last), 1, 0)
	l.holds(b, without(left, 6))
}

func pruneLatest(l *lab) {
	b := l.open()
	log := l.write(b, of("1", "s", "k", "1"), of("2", "s", "k", "2"), of("3", "s", "other", "3"), of("4", "s", "k", "4"), of("5", "s", "gone", "5"), of("6", "s", "gone", "6"))
	l.prune(b, log[3].Seq, log[4].Seq, log[5].Seq)
	for i, want := range []struct{ key, causation string }{{"k", "2"}, {"gone", ""}, {"other", "3"}, {"k", "7"}} {
		f := of(fmt.Sprint(7+i), "s", want.key, "1")
		if got := l.write(b, f)[0]; got.Causation != want.causation {
			l.Fatalf("after pruning, the next fact of key %q has causation %q, want %q", want.key, got.Causation, want.causation)
		}
	}
	l.prune(b, log[0].Seq) // not the latest
	if got := l.write(b, of("11", "s", "k", "1"))[0]; got.Causation != "10" {
		l.Fatalf("after pruning an earlier fact, the key's next fact has causation %q, want %q", got.Causation, "10")
	}
}

func pruneExpect(l *lab) {
	b := l.open()
	log := l.write(b, of("1", "s", "k", "1"), of("2", "s", "k", "2"), of("3", "s", "gone", "3"))
	l.prune(b, log[1].Seq, log[2].Seq)
	left := log[:1:1]
	gone := backend.Expect{Store: "s", Key: "gone", ID: "3"}
	l.conflicts(b, left, backend.Batch{Expect: []backend.Expect{gone}}, gone, "")
	pruned := backend.Expect{Store: "s", Key: "k", ID: "2"}
	l.conflicts(b, left, backend.Batch{Expect: []backend.Expect{pruned}}, pruned, "1")
	left = append(left, l.batch(b, []backend.Fact{of("4", "s", "gone", "4"), of("5", "s", "k", "5")},
		backend.Expect{Store: "s", Key: "gone"}, backend.Expect{Store: "s", Key: "k", ID: "1"})...)
	l.holds(b, left)
}

func pruneID(l *lab) {
	b := l.open()
	log := l.write(b, facts(6)...)
	l.prune(b, log[1].Seq, log[5].Seq)
	left := without(log, 1, 5)
	other := of(log[5].ID, "other", "other", "true")
	for _, f := range []backend.Fact{fact(1), other} {
		got := l.write(b, f)[0]
		if got.Seq <= log[5].Seq {
			l.Fatalf("a fact written under a pruned ID got seq %d; seqs through %d were given", got.Seq, log[5].Seq)
		}
		l.same("a fact written under a pruned ID", []backend.Fact{got}, []backend.Fact{held(f, got)})
		left = append(left, got)
	}
	l.holds(b, left)
	l.same("a fact that was not pruned, written again,", l.write(b, fact(2)), log[2:3])
}

func pruneLast(l *lab) {
	b := l.open()
	log := l.write(b, facts(3)...)
	highest := log[2].Seq
	for i := range 3 {
		l.prune(b, highest)
		f := l.write(b, fact(3+i))[0]
		if f.Seq <= highest {
			l.Fatalf("after the last fact, of seq %d, was pruned, the next one got seq %d", highest, f.Seq)
		}
		highest = f.Seq
	}
}

func pruneSnapshot(l *lab) {
	b := l.open()
	log := l.write(b, facts(20)...)
	l.snapshot(b, log[9].Seq)
	l.prune(b, log[3].Seq, log[15].Seq)
	left := without(log, 3, 15)
	l.holds(b, left)
	for _, through := range []uint64{log[3].Seq, log[15].Seq, 0} {
		l.snapshot(b, through)
		l.holds(b, left)
	}
	l.prune(b, seqs(left)...)
	l.holds(b, nil)
	l.snapshot(b, 0)
	l.holds(b, nil)
	l.holds(b, l.write(b, fact(20)))
}

func pruneBody(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	var got []backend.Fact
	err := walk(b.Replay(l.ctx, 0), func(f backend.Fact) bool {
		got = append(got, f)
		l.reports(l.prune(b, f.Seq), 1, 0)
		return true
	})
	if err != nil {
		l.Fatalf("Replay: %v", err)
	}
	l.same("a loop that prunes each fact it sees", got, log)
	l.holds(b, nil)
}

func pruneFollow(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	l.prune(b, log[4].Seq, log[5].Seq, log[9].Seq)
	rest, fromPruned := l.followed(b, log[4].Seq, 5)
	end, fromLast := l.followed(b, log[9].Seq, 2)
	more := l.write(b, fact(10), fact(11))
	l.join(rest, end)
	l.same("what was followed after a pruned seq", *fromPruned, append(log[6:9:9], more...))
	l.same("what was followed after the last seq, which was pruned,", *fromLast, more)
}

func pruneCancelled(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	for _, seqs := range [][]uint64{nil, {log[2].Seq, log[9].Seq}} {
		_, err := backend.Prune(ctx, b, slices.Values(seqs))
		l.wants("Prune with a cancelled context", err, context.Canceled)
		l.holds(b, log)
	}
	ctx, cancel = context.WithCancel(l.ctx)
	defer cancel()
	_, err := backend.Prune(ctx, b, func(yield func(uint64) bool) {
		if yield(log[2].Seq) {
			cancel()
			yield(log[9].Seq)
		}
	})
	if err != nil {
		l.wants("Prune with a context that is cancelled by the seqs' loop", err, context.Canceled)
	}
	l.prune(b, log[2].Seq, log[9].Seq)
	l.holds(b, without(log, 2, 9))
}

// counts fails the case unless b's Stats are those of log, with last the highest seq given out.
func (l *lab) counts(b backend.Backend, log []backend.Fact, last uint64) {
	l.Helper()
	s := l.stats(b)
	first := uint64(0)
	if len(log) > 0 {
		first = log[0].Seq
	}
	if s.FirstSeq != first || s.LastSeq != last || s.Facts != uint64(len(log)) || s.DurableSeq > last {
		l.Fatalf("Stats are %+v; the log holds %d facts, the first of seq %d, and gave seqs through %d", s, len(log), first, last)
	}
}

func stats(l *lab) {
	b := l.open()
	l.counts(b, nil, 0)
	var log []backend.Fact
	for i := range 5 {
		log = append(log, l.write(b, fact(i))...)
		l.counts(b, log, log[i].Seq)
		l.write(b, fact(i))
		l.counts(b, log, log[i].Seq)
	}
	l.snapshot(b, 0)
	l.counts(b, log, log[4].Seq)
}

func statsWhileWriting(l *lab) {
	b := l.open()
	tasks, _ := l.writing(b, 50)
	for range 50 {
		s := l.stats(b)
		log := l.replay(b, 0)
		if s.LastSeq > 0 && (len(log) == 0 || log[len(log)-1].Seq < s.LastSeq) {
			l.Fatalf("Stats say that the last seq is %d, and a Replay begun then has %d facts and ends before it", s.LastSeq, len(log))
		}
	}
	l.join(tasks...)
	log := l.replay(b, 0)
	if s := l.stats(b); s.LastSeq != log[len(log)-1].Seq {
		l.Fatalf("Stats say that the last seq is %d, and that of the last fact is %d", s.LastSeq, log[len(log)-1].Seq)
	}
}

func statsPruned(l *lab) {
	b := l.open()
	log := l.write(b, facts(6)...)
	last := log[5].Seq
	l.prune(b, log[0].Seq, log[3].Seq)
	l.counts(b, without(log, 0, 3), last)
	l.prune(b, last)
	l.counts(b, without(log, 0, 3, 5), last)
	l.prune(b, seqs(log)...)
	l.counts(b, nil, last)
	f := l.write(b, fact(6))
	l.counts(b, f, f[0].Seq)
}
