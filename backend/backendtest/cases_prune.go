package backendtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// pruneCases are about Prune.
func pruneCases() []testCase {
	const forgets = "The log forgets the IDs of pruned facts, a key's latest fact becomes the latest one left, and a key with none left is as if it was never written."
	return []testCase{
		{"prune", pruning, "Prune removes the facts at the given seqs, and leaves the seqs of the others as they are.", prune},
		{"prune-missing", pruning, "Seqs may come in any order and more than once; a seq that holds no fact is counted as missing.", pruneMissing},
		{"prune-latest", pruning, forgets, pruneLatest},
		{"prune-expect", pruning | batches, forgets, pruneExpect},
		{"prune-id", pruning, forgets, pruneID},
		{"prune-last", pruning, "Seqs of pruned facts are not given again.", pruneLast},
		{"prune-snapshot", pruning, "Prune removes facts, from a snapshot too; WriteSnapshot never changes what Replay yields.", pruneSnapshot},
		{"prune-body", pruning, "The loop's body may call any method but Close; no lock is held while it runs. A loop that is under way may still yield pruned facts.", pruneBody},
		{"prune-follow", pruning, "Follow goes on after a pruned seq as after any other.", pruneFollow},
		{"prune-cancelled", pruning, "If ctx is done before the call, nothing is removed. After an error a part of the facts may be gone; pruning the same seqs again is safe.", pruneCancelled},
		{"prune-horizon", pruning, "Prune takes any Horizon; the zero Horizon stands for the log's last fact.", pruneHorizon},
	}
}

// wantReport fails the case unless got is what Prune should report.
func (h *harness) wantReport(got backend.PruneReport, pruned, missing uint64) {
	h.Helper()
	if want := (backend.PruneReport{Pruned: pruned, Missing: missing}); got != want {
		h.Fatalf("Prune reports %+v, want %+v", got, want)
	}
}

func prune(h *harness) {
	b := h.open()
	log := h.write(b, facts(20)...)
	h.wantReport(h.prune(b), 0, 0)
	h.wantLog(b, log)
	h.wantReport(h.prune(b, log[0].Seq, log[7].Seq, log[8].Seq, log[19].Seq), 4, 0)
	left := without(log, 0, 7, 8, 19)
	h.wantLog(b, left)
	h.wantParts("a part of the pruned log", b, left, cursors(log))
	left = append(left, h.write(b, fact(20))...)
	h.wantLog(b, left)
	h.wantReport(h.prune(b, seqs(left)...), uint64(len(left)), 0)
	h.wantLog(b, nil)
	h.wantLog(b, h.write(b, fact(21)))
}

func pruneMissing(h *harness) {
	b := h.open()
	h.wantReport(h.prune(b, 1, 5), 0, 2)
	log := h.write(b, facts(10)...)
	last := log[9].Seq
	h.wantReport(h.prune(b, log[6].Seq, last+1, log[2].Seq, 0, log[6].Seq, log[4].Seq, math.MaxUint64), 3, 3)
	left := without(log, 2, 4, 6)
	h.wantLog(b, left)
	h.wantReport(h.prune(b, log[6].Seq, log[4].Seq, log[2].Seq), 0, 3)
	h.wantLog(b, left)
	h.wantReport(h.prune(b, last, last), 1, 0)
	h.wantLog(b, without(left, 6))
}

func pruneLatest(h *harness) {
	b := h.open()
	log := h.write(b, of("1", "s", "k", "1"), of("2", "s", "k", "2"), of("3", "s", "other", "3"), of("4", "s", "k", "4"), of("5", "s", "gone", "5"), of("6", "s", "gone", "6"))
	h.prune(b, log[3].Seq, log[4].Seq, log[5].Seq)
	for i, want := range []struct{ key, causation string }{{"k", "2"}, {"gone", ""}, {"other", "3"}, {"k", "7"}} {
		f := of(fmt.Sprint(7+i), "s", want.key, "1")
		if got := h.write(b, f)[0]; got.Causation != want.causation {
			h.Fatalf("after pruning, the next fact of key %q has causation %q, want %q", want.key, got.Causation, want.causation)
		}
	}
	h.prune(b, log[0].Seq) // not the latest
	if got := h.write(b, of("11", "s", "k", "1"))[0]; got.Causation != "10" {
		h.Fatalf("after pruning an earlier fact, the key's next fact has causation %q, want %q", got.Causation, "10")
	}
}

func pruneExpect(h *harness) {
	b := h.open()
	log := h.write(b, of("1", "s", "k", "1"), of("2", "s", "k", "2"), of("3", "s", "gone", "3"))
	h.prune(b, log[1].Seq, log[2].Seq)
	left := log[:1:1]
	gone := backend.Expect{Store: "s", Key: "gone", ID: "3"}
	h.wantConflict(b, left, backend.Batch{Expect: []backend.Expect{gone}}, gone, "")
	pruned := backend.Expect{Store: "s", Key: "k", ID: "2"}
	h.wantConflict(b, left, backend.Batch{Expect: []backend.Expect{pruned}}, pruned, "1")
	left = append(left, h.batch(b, []backend.Fact{of("4", "s", "gone", "4"), of("5", "s", "k", "5")},
		backend.Expect{Store: "s", Key: "gone"}, backend.Expect{Store: "s", Key: "k", ID: "1"})...)
	h.wantLog(b, left)
}

func pruneID(h *harness) {
	b := h.open()
	log := h.write(b, facts(6)...)
	h.prune(b, log[1].Seq, log[5].Seq)
	left := without(log, 1, 5)
	other := of(log[5].ID, "other", "other", "true")
	for _, f := range []backend.Fact{fact(1), other} {
		got := h.write(b, f)[0]
		if got.Seq <= log[5].Seq {
			h.Fatalf("a fact written under a pruned ID got seq %d; seqs through %d were given", got.Seq, log[5].Seq)
		}
		h.wantSame("a fact written under a pruned ID", []backend.Fact{got}, []backend.Fact{held(f, got)})
		left = append(left, got)
	}
	h.wantLog(b, left)
	h.wantSame("a fact that was not pruned, written again,", h.write(b, fact(2)), log[2:3])
}

func pruneLast(h *harness) {
	b := h.open()
	log := h.write(b, facts(3)...)
	highest := log[2].Seq
	for i := range 3 {
		h.prune(b, highest)
		f := h.write(b, fact(3+i))[0]
		if f.Seq <= highest {
			h.Fatalf("after the last fact, of seq %d, was pruned, the next one got seq %d", highest, f.Seq)
		}
		highest = f.Seq
	}
}

func pruneSnapshot(h *harness) {
	b := h.open()
	log := h.write(b, facts(20)...)
	h.snapshot(b, log[9].Seq)
	h.prune(b, log[3].Seq, log[15].Seq)
	left := without(log, 3, 15)
	h.wantLog(b, left)
	for _, through := range []uint64{log[3].Seq, log[15].Seq, 0} {
		h.snapshot(b, through)
		h.wantLog(b, left)
	}
	h.prune(b, seqs(left)...)
	h.wantLog(b, nil)
	h.snapshot(b, 0)
	h.wantLog(b, nil)
	h.wantLog(b, h.write(b, fact(20)))
}

func pruneBody(h *harness) {
	b := h.open()
	log := h.write(b, wides(10)...)
	var got []backend.Fact
	err := walk(replayOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
		got = append(got, f)
		h.wantReport(h.prune(b, f.Seq), 1, 0)
		return true
	})
	if err != nil {
		h.Fatalf("Replay: %v", err)
	}
	h.wantSame("a loop that prunes each fact it sees", got, log)
	h.wantLog(b, nil)
}

func pruneFollow(h *harness) {
	b := h.open()
	log := h.write(b, facts(10)...)
	h.prune(b, log[4].Seq, log[5].Seq, log[9].Seq)
	rest, fromPruned := h.startFollower(b, from(log[4].Seq), 5)
	end, fromLast := h.startFollower(b, from(log[9].Seq), 2)
	more := h.write(b, fact(10), fact(11))
	h.join(rest, end)
	h.wantSame("what was followed after a pruned seq", *fromPruned, append(log[6:9:9], more...))
	h.wantSame("what was followed after the last seq, which was pruned,", *fromLast, more)
}

func pruneCancelled(h *harness) {
	b := h.open()
	log := h.write(b, facts(10)...)
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	for _, seqs := range [][]uint64{nil, {log[2].Seq, log[9].Seq}} {
		_, err := b.Prune(ctx, slices.Values(seqs), backend.Horizon{})
		h.wantError("Prune with a cancelled context", err, context.Canceled)
		h.wantLog(b, log)
	}
	ctx, cancel = context.WithCancel(h.ctx)
	defer cancel()
	_, err := b.Prune(ctx, func(yield func(uint64) bool) {
		if yield(log[2].Seq) {
			cancel()
			yield(log[9].Seq)
		}
	}, backend.Horizon{})
	if err != nil {
		h.wantError("Prune with a context that is cancelled by the seqs' loop", err, context.Canceled)
	}
	h.prune(b, log[2].Seq, log[9].Seq)
	h.wantLog(b, without(log, 2, 9))
}

func pruneHorizon(h *harness) {
	b := h.open()
	log := h.write(b, facts(12)...)
	for i, horizon := range []backend.Horizon{{}, {Seq: log[5].Seq, Time: log[5].TransactionTime}, {Seq: log[2].Seq}, {Time: time.Unix(1, 0)}} {
		report, err := b.Prune(h.ctx, slices.Values(seqs(log[i:i+1])), horizon)
		if err != nil {
			h.Fatalf("Prune with horizon %+v: %v", horizon, err)
		}
		h.wantReport(report, 1, 0)
		h.wantLog(b, log[i+1:])
	}
}
