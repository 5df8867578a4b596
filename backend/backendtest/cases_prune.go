// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// pruneCases are about Prune.
func pruneCases() []testCase {
	const forgets = "The log forgets the IDs of pruned facts, a key's latest fact becomes the latest one left, and a key with none left is as if it was never written."
	return []testCase{
		{"prune", pruning, "Prune removes the facts at the given seqs. The other facts keep their seqs.", prune},
		{"prune-missing", pruning, "Seqs may come in any order and more than once; a seq that holds no fact is counted as missing.", pruneMissing},
		{"prune-latest", pruning, forgets, pruneLatest},
		{"prune-expect", pruning | batches, forgets, pruneExpect},
		{"prune-id", pruning, forgets, pruneID},
		{"prune-last", pruning, "Seqs of pruned facts are not given again.", pruneLast},
		{"prune-snapshot", pruning, "Prune removes facts, from a snapshot too; WriteSnapshot never changes what Replay yields.", pruneSnapshot},
		{"prune-body", pruning, "The loop's body may call any method but Close; no lock is held while it runs. A running loop may still yield pruned facts.", pruneBody},
		{"prune-follow", pruning, "Follow goes on after a pruned seq as after any other.", pruneFollow},
		{"prune-cancelled", pruning, "If ctx is done before the call, nothing is removed. After an error a part of the facts may be gone; pruning the same seqs again is safe.", pruneCancelled},
		{"prune-horizon", pruning, "Each store that loses a fact records its greatest Horizon, on each axis; the horizon of a store that loses no fact does not change.", pruneHorizon},
		{"prune-horizon-last", pruning, "A zero field of a Horizon given to Prune stands for the log's last fact, and so does a field that lies beyond it.", pruneHorizonLast},
		{"prune-horizon-page", pruning, ruleHorizons, pruneHorizonPage},
		{"prune-horizon-loop", pruning, ruleHorizons + "Facts are pruned while the loop runs.", pruneHorizonLoop},
		{"prune-horizon-follow", pruning, ruleHorizons + "A changed horizon alone makes no page: it comes with the next page.", pruneHorizonFollow},
	}
}

// ruleHorizons is the rule of pages about pruned facts.
const ruleHorizons = "If a fact was pruned before its page was read, that page or an earlier one of the loop has a horizon, of the fact's store or of AllStores, whose Seq is at least the fact's seq. The first page has the horizons of all stores of the range and of AllStores; a later page has the horizons that changed since. "

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

// wantHorizons fails the case unless b's Stats tell the horizons.
func (h *harness) wantHorizons(b backend.Log, want map[string]backend.Horizon) {
	h.Helper()
	h.wantTold("Stats.Horizons", h.stats(b).Horizons, want)
}

func (h *harness) wantTold(what string, got, want map[string]backend.Horizon) {
	h.Helper()
	same := maps.EqualFunc(got, want, func(x, y backend.Horizon) bool { return x.Seq == y.Seq && x.Time.Equal(y.Time) })
	if !same {
		h.Fatalf("%s are %v, want %v", what, got, want)
	}
	clear(got) // the caller owns it
}

// pruneTo prunes facts with a horizon.
func (h *harness) pruneTo(b backend.Log, horizon backend.Horizon, seqs ...uint64) {
	h.Helper()
	if _, err := b.Prune(h.ctx, slices.Values(seqs), horizon); err != nil {
		h.Fatalf("Prune of %d with horizon %v: %v", seqs, horizon, err)
	}
}

// horizonOf returns the moment of a fact.
func horizonOf(f backend.Fact) backend.Horizon {
	return backend.Horizon{Seq: f.Seq, Time: f.TransactionTime}
}

func pruneHorizon(h *harness) {
	b := h.open()
	log := h.write(b, append(facts(9), of("a", "other", "k", "1"), of("b", "other", "k", "2"), of("c", "third", "k", "3"))...)
	want := map[string]backend.Horizon{}
	h.wantHorizons(b, want)
	h.pruneTo(b, horizonOf(log[8]), log[11].Seq+1, 0) // no fact is there
	h.wantHorizons(b, want)

	early := log[0].TransactionTime.Add(-time.Hour)
	for _, step := range []struct {
		horizon backend.Horizon
		fact    int
		tasks   backend.Horizon
	}{
		{backend.Horizon{Seq: log[3].Seq, Time: early}, 0, backend.Horizon{Seq: log[3].Seq, Time: early}},
		{backend.Horizon{Seq: log[5].Seq, Time: early.Add(-time.Hour)}, 1, backend.Horizon{Seq: log[5].Seq, Time: early}},
		{backend.Horizon{Seq: log[4].Seq, Time: early.Add(time.Minute)}, 2, backend.Horizon{Seq: log[5].Seq, Time: early.Add(time.Minute)}},
		{horizonOf(log[8]), 2, backend.Horizon{Seq: log[5].Seq, Time: early.Add(time.Minute)}}, // already pruned
	} {
		h.pruneTo(b, step.horizon, log[step.fact].Seq)
		want["tasks"] = step.tasks
		h.wantHorizons(b, want)
	}
	h.pruneTo(b, horizonOf(log[10]), log[9].Seq, log[3].Seq)
	want["tasks"], want["other"] = want["tasks"].Later(horizonOf(log[10])), horizonOf(log[10])
	h.wantHorizons(b, want)
	h.snapshot(b, 0)
	h.wantHorizons(b, want)
	h.pruneTo(b, horizonOf(log[11]), log[10].Seq, log[11].Seq)
	h.snapshot(b, 0)
	h.write(b, of("d", "third", "k", "4"))
	want["other"], want["third"] = want["other"].Later(horizonOf(log[11])), horizonOf(log[11])
	h.wantHorizons(b, want)
	h.wantLog(b, append(without(log, 0, 1, 2, 3, 9, 10, 11), h.replay(b, log[11].Seq)...))
}

func pruneHorizonLast(h *harness) {
	far := time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, horizon := range []backend.Horizon{{}, {Seq: 1}, {Time: time.Unix(1, 0)}, {Seq: math.MaxUint64, Time: far}} {
		h.newLog()
		b := h.open()
		log := h.write(b, facts(6)...)
		h.pruneTo(b, horizon, log[2].Seq)
		want := horizonOf(log[5])
		if horizon.Seq == 1 {
			want.Seq = 1
		}
		if !horizon.Time.IsZero() && horizon.Time != far {
			want.Time = horizon.Time
		}
		h.wantHorizons(b, map[string]backend.Horizon{"tasks": want})
		h.write(b, fact(7))
		h.wantHorizons(b, map[string]backend.Horizon{"tasks": want})
	}
}

// loops returns the ways to read a range.
func (h *harness) loops(b backend.Log, r backend.Range) map[string]loop {
	return map[string]loop{"Replay": replayOf(h.ctx, b, r), "Follow": followOf(h.ctx, b, r)}
}

func pruneHorizonPage(h *harness) {
	b := h.open()
	log := h.write(b, of("a", "a", "k", "1"), of("b", "b", "k", "1"), of("c", "a", "k", "2"), of("d", "b", "k", "2"), of("e", "c", "k", "1"))
	firsts := func(want map[string]backend.Horizon) {
		h.Helper()
		for _, stores := range [][]string{nil, {"a"}, {"b", "c"}, {"c"}, {}} {
			for _, after := range append(cursors(log), log[4].Seq) {
				r := from(after, stores...)
				r.Stores = stores
				of := maps.Clone(want)
				maps.DeleteFunc(of, func(store string, _ backend.Horizon) bool { return !r.Has(store) })
				for way, l := range h.loops(b, r) {
					err := walkPages(l, func(p backend.Page) bool {
						h.wantTold("the horizons of the first page of a "+way+" "+rangeText(r), p.Horizons, of)
						return false
					})
					if err != nil {
						h.Fatalf("%s: %v", way, err)
					}
				}
			}
		}
	}
	want := map[string]backend.Horizon{}
	firsts(want)
	h.pruneTo(b, horizonOf(log[2]), log[0].Seq)
	want["a"] = horizonOf(log[2])
	firsts(want)
	h.pruneTo(b, horizonOf(log[3]), log[1].Seq, log[2].Seq)
	want["a"], want["b"] = horizonOf(log[3]), horizonOf(log[3])
	firsts(want)
	h.snapshot(b, 0)
	firsts(want)
}

// wantCovered fails the case unless each fact that the page p leaves out is covered by a horizon of p, or by one that the
// loop was told. before is the seq through which the loop had read the log.
func (h *harness) wantCovered(what string, log []backend.Fact, p backend.Page, before uint64, told map[string]backend.Horizon) {
	h.Helper()
	for store, horizon := range p.Horizons {
		told[store] = horizon
	}
	for _, f := range log {
		has := slices.ContainsFunc(p.Facts, func(g backend.Fact) bool { return g.Seq == f.Seq })
		if f.Seq > before && f.Seq <= p.Through.Seq && !has && f.Seq > told[f.Store].Seq {
			h.Fatalf("a page of %s after seq %d, through %s, leaves out the fact of seq %d of store %q, and the loop was told the horizons %v", what, before, p.Through, f.Seq, f.Store, told)
		}
	}
}

func pruneHorizonLoop(h *harness) {
	for _, way := range []string{"Replay", "Follow"} {
		h.newLog()
		b := h.open()
		log := h.write(b, wides(12)...)
		last := log[11]
		before, told := uint64(0), map[string]backend.Horizon{}
		err := walkPages(h.loops(b, backend.Range{})[way], func(p backend.Page) bool {
			h.wantCovered(way, log, p, before, told)
			before = p.Through.Seq
			if ahead := part(log, from(before)); len(ahead) > 1 { // the next facts
				next := ahead[:(len(ahead)+1)/2]
				h.pruneTo(b, horizonOf(ahead[len(next)]), seqs(next)...)
			}
			return before < last.Seq
		})
		if err != nil {
			h.Fatalf("%s: %v", way, err)
		}
	}
}

func pruneHorizonFollow(h *harness) {
	b := h.open()
	log := h.write(b, of("a", "a", "k", "1"), of("b", "a", "k", "2"))
	for _, stores := range [][]string{nil, {"a"}, {"none"}} {
		r := backend.Range{Stores: stores}
		before, rounds, told := uint64(0), 0, map[string]backend.Horizon{}
		err := walkPages(followOf(h.ctx, b, r), func(p backend.Page) bool {
			h.wantCovered("Follow "+rangeText(r), part(log, r), p, before, told)
			before = p.Through.Seq
			if n := len(log); before == log[n-1].Seq { // at the log's end
				log = append(log, h.write(b, of(fmt.Sprint(n), "a", "k", "1"), of(fmt.Sprint(n+1), "a", "k", "2"))...)
				h.pruneTo(b, horizonOf(log[n+1]), log[n].Seq, log[n-1].Seq)
				rounds++
			}
			return rounds < 10
		})
		if err != nil {
			h.Fatalf("Follow: %v", err)
		}
	}
}
