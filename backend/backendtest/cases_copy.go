// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"github.com/igniter-store/igniter/backend"
)

// copyCases are about the owner of the memory of facts.
func copyCases() []testCase {
	const in = "A method copies the bytes of the facts that it is given before it returns."
	const out = "The caller owns what a method returns: no later call touches that memory, and changing it does not change the log."
	return []testCase{
		{"copy-in", 0, in, copyIn},
		{"copy-in-batch", batches, in, copyInBatch},
		{"copy-out-write", 0, out, copyOutWrite},
		{"copy-out-replay", 0, out, copyOutReplay},
		{"copy-out-batch", batches, out, copyOutBatch},
		{"copy-out-follow", 0, out, copyOutFollow},
		{"copy-out-written", 0, out + " The caller owns Written.Facts.", copyOutWritten},
		{"copy-out-page", 0, out + " The caller owns Page.Facts.", copyOutPage},
	}
}

// rich returns facts with bytes in every field that can share memory. In the last one, the log has no field to fill in.
func rich() []backend.Fact {
	all := []backend.Fact{full("1"), full("2"), fact(0), full("3"), full("4")}
	all[3].Key = "other"
	all[4].ValueHash, all[4].Causation = "given", "given"
	all[4].TransactionTime = all[4].ValidTime
	return all
}

func copyIn(h *harness) {
	b := h.open()
	var log []backend.Fact
	for _, f := range rich() {
		given := f.Clone()
		got, err := h.put(b, f)
		if err != nil {
			h.Fatalf("WriteFact: %v", err)
		}
		overwrite(f)
		h.wantSame("the returned fact, after the one given was overwritten", []backend.Fact{got}, []backend.Fact{held(given, got)})
		log = append(log, held(given, got))
	}
	h.wantLog(b, log)
}

func copyInBatch(h *harness) {
	b := h.open()
	given := rich()
	log := clones(given)
	got := h.batch(b, given)
	for i := range given {
		log[i] = held(log[i], got[i])
		overwrite(given[i])
		given[i] = backend.Fact{}
	}
	h.wantSame("the returned facts, after the given facts were overwritten", got, log)
	h.wantLog(b, log)
}

func copyOutWrite(h *harness) {
	b := h.open()
	given := rich()
	var log []backend.Fact
	for _, f := range given {
		before := f.Clone()
		got := h.write(b, f)[0]
		log = append(log, got.Clone())
		overwrite(got)
		h.wantSame("the writer's own fact, after the returned one was overwritten", []backend.Fact{f}, []backend.Fact{before})
	}
	for i, f := range given { // a fact written again is returned again
		overwrite(h.write(b, f)[0])
		h.wantSame("a fact written again", h.write(b, f), log[i:i+1])
	}
	h.wantLog(b, log)
	h.wantLog(h.snapshotted(b), log)
}

func copyOutReplay(h *harness) {
	b := h.open()
	log := clones(h.write(b, rich()...))
	for range 2 {
		kept := h.replay(b, 0)
		again := h.replay(b, 0)
		for i, f := range again {
			overwrite(f)
			again[i] = log[i]
			h.wantSame("the other facts, after one was overwritten", again[i+1:], log[i+1:])
		}
		h.wantSame("facts kept from an earlier loop", kept, log)
		h.wantLog(b, log)
		h.snapshotted(b)
	}
}

// snapshotted consolidates the log and returns it, so that later reads find a snapshot.
func (h *harness) snapshotted(b backend.Log) backend.Log {
	h.Helper()
	h.snapshot(b, 0)
	return b
}

func copyOutBatch(h *harness) {
	b := h.open()
	given := rich()
	before := clones(given)
	for range 2 { // the second time, the log already holds all
		got := h.batch(b, given)
		log := clones(got)
		for i, f := range got {
			overwrite(f)
			got[i] = log[i]
			h.wantSame("the other facts, after one was overwritten", got[i+1:], log[i+1:])
		}
		h.wantSame("the writer's own facts, after the returned ones were overwritten", given, before)
		h.wantLog(b, log)
	}
}

func copyOutFollow(h *harness) {
	b := h.open()
	log := clones(h.write(b, rich()...))
	for range 2 {
		kept, err := take(followOf(h.ctx, b, from(0)), len(log))
		if err != nil {
			h.Fatalf("Follow: %v", err)
		}
		again, err := take(followOf(h.ctx, b, from(0)), len(log))
		if err != nil {
			h.Fatalf("Follow: %v", err)
		}
		for i, f := range again {
			overwrite(f)
			h.wantSame("the other facts, after one was overwritten", again[i+1:], log[i+1:])
		}
		h.wantSame("facts kept from an earlier loop", kept, log)
		h.wantLog(b, log)
	}
}

func copyOutPage(h *harness) {
	b := h.open()
	log := clones(h.write(b, append(facts(3), wides(9)[3:]...)...))
	for _, l := range []loop{
		replayOf(h.ctx, b, from(0)),
		followOf(h.ctx, b, backend.Range{Through: log[8].Seq}),
		replayOf(h.ctx, h.snapshotted(b), from(0)),
	} {
		pages, err := collectPages(l)
		if err != nil {
			h.Fatalf("a loop %s: %v", rangeText(l.r), err)
		}
		h.wantSame("the facts of pages that were kept", factsOf(pages), log)
		err = walkPages(l, func(p backend.Page) bool {
			for i := range p.Facts {
				overwrite(p.Facts[i])
				p.Facts[i] = backend.Fact{}
			}
			_ = append(p.Facts, backend.Fact{ID: "no such fact"})
			return true
		})
		if err != nil {
			h.Fatalf("a loop %s: %v", rangeText(l.r), err)
		}
		h.wantSame("the facts of pages that were kept, after the facts of other loops were overwritten,", factsOf(pages), log)
		h.wantLog(b, log)
	}
}

func copyOutWritten(h *harness) {
	b := h.open()
	var kept [][]backend.Written
	var log []backend.Fact
	for i := range 4 {
		all := b.Write(h.ctx, ones(facts(3*i + 3)[3*i:])...)
		log = append(log, clones(h.wantWritten(all))...)
		kept = append(kept, all)
	}
	for i, all := range kept {
		h.wantSame("verdicts that were kept", h.wantWritten(all), log[3*i:3*i+3])
		for j := range all {
			overwrite(all[j].Facts[0])
			all[j].Facts[0] = backend.Fact{}
			all[j] = backend.Written{}
		}
	}
	h.wantLog(b, log)
	h.wantSame("facts written again", h.wantWritten(b.Write(h.ctx, ones(facts(12))...)), log)
}
