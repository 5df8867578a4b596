// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// reopenCases are about logs that are closed and opened again.
func reopenCases() []testCase {
	const stays = "Close releases the backend; acknowledged facts stay. "
	return []testCase{
		{"reopen", reopening, stays + "A log that is opened again yields the same facts.", reopen},
		{"reopen-seq", reopening, "Seq is above every earlier one, whenever the log was opened.", reopenSeq},
		{"reopen-id", reopening, "An ID names one fact. A log remembers at least its latest 1,000,000 IDs, whenever it was opened.", reopenID},
		{"reopen-causation", reopening, "Causation is the ID of the key's latest fact, whenever that was written.", reopenCausation},
		{"reopen-transaction-time", reopening, "The log never gives a TransactionTime before the time of an earlier fact, whenever it was opened.", reopenTransactionTime},
		{"reopen-batch", reopening | batches, stays + "Batches stay whole, and expectations are checked against the facts that stay.", reopenBatch},
		{"reopen-snapshot", reopening, "WriteSnapshot never changes what Replay yields, also after the log is opened again.", reopenSnapshot},
		{"reopen-pruned", reopening | pruning, "Prune removes the facts at the given seqs, durably. The other facts keep their seqs.", reopenPruned},
		{"reopen-horizon", reopening | pruning, "Horizons are kept durably with the removal.", reopenHorizon},
		{"reopen-pruned-last", reopening | pruning, "Seqs of pruned facts are not given again, whenever the log was opened.", reopenPrunedLast},
		{"reopen-stats", reopening | pruning, "LastSeq is the highest seq ever acknowledged, whenever the log was opened.", reopenStats},
		{"reopen-cursor", reopening, "Loops resume only by cursors, whenever the log was opened.", reopenCursor},
		{"reopen-cursor-pruned", reopening | pruning, "Loops resume only by cursors, whenever the log was opened, and whatever was pruned.", reopenCursorPruned},
		{"reopen-in-flight", reopening, stays + "Calls in flight either finish or report ErrClosed.", reopenInFlight},
	}
}

func reopen(h *harness) {
	b := h.reopen(h.open())
	h.wantLog(b, nil)
	log := h.write(b, append(facts(20), rich()[0], rich()[4], of("null", "s", "k", "null"))...)
	for i := range 3 {
		b = h.reopen(b)
		h.wantLog(b, log)
		h.wantParts("a part of the reopened log", b, log, cursors(log))
		log = append(log, h.write(b, fact(20+i))...)
		h.wantLog(b, log)
	}
}

func reopenSeq(h *harness) {
	b := h.open()
	last := uint64(0)
	for i := range 4 {
		for _, f := range h.write(b, facts(2*i + 2)[2*i:]...) {
			if f.Seq <= last {
				h.Fatalf("after seq %d and reopening, the next fact got seq %d", last, f.Seq)
			}
			last = f.Seq
		}
		b = h.reopen(b)
	}
}

func reopenID(h *harness) {
	b := h.open()
	given := append(facts(4), full("full"))
	log := h.write(b, given...)
	b = h.reopen(b)
	for i, f := range given {
		h.wantSame("a fact written again after reopening", h.write(b, f), log[i:i+1])
	}
	_, err := b.WriteFact(h.ctx, of(fact(1).ID, fact(1).Store, "other", "1"))
	h.wantError("another fact under the same ID, after reopening", err, backend.ErrIDReused)
	h.wantLog(b, log)
}

func reopenCausation(h *harness) {
	b := h.open()
	log := h.write(b, facts(4)...)
	for i := range 6 {
		b = h.reopen(b)
		log = append(log, h.write(b, fact(4+i))...)
		if got, want := log[4+i].Causation, log[1+i].ID; got != want {
			h.Fatalf("after reopening, fact %q has causation %q, want %q", log[4+i].ID, got, want)
		}
	}
}

func reopenTransactionTime(h *harness) {
	b := h.open()
	future := fact(1)
	future.TransactionTime = time.Date(2500, 1, 1, 0, 0, 0, 999999999, time.UTC)
	past := fact(2)
	past.TransactionTime = time.Unix(0, 1)
	log := h.write(b, fact(0), future, past)
	b = h.reopen(b)
	log = append(log, h.write(b, fact(3))...)
	if got := log[3].TransactionTime; got.Before(future.TransactionTime) {
		h.Fatalf("after reopening, a fact was given transaction time %v; an earlier fact has %v", got, future.TransactionTime)
	}
	h.wantLog(b, log)
}

func reopenBatch(h *harness) {
	b := h.open()
	given := facts(6)
	log := h.write(b, fact(9))
	log = append(log, h.batch(b, given)...)
	b = h.reopen(b)
	h.wantLog(b, log)
	h.wantSame("a batch written again after reopening", h.batch(b, given, backend.Expect{Store: "tasks", Key: "t0"}), log[1:])
	wrong := backend.Expect{Store: "tasks", Key: "t0", ID: fact(0).ID}
	h.wantConflict(b, log, backend.Batch{Expect: []backend.Expect{wrong}}, wrong, fact(3).ID)
	log = append(log, h.batch(b, []backend.Fact{fact(6)}, backend.Expect{Store: "tasks", Key: "t0", ID: fact(3).ID})...)
	h.wantLog(h.reopen(b), log)
}

func reopenSnapshot(h *harness) {
	b := h.open()
	log := h.write(b, facts(10)...)
	for i := range 4 {
		h.snapshot(b, []uint64{log[4].Seq, 0}[i%2])
		if i != 2 { // once with nothing after the snapshot
			log = append(log, h.write(b, fact(10+i))...)
		}
		b = h.reopen(b)
		h.wantLog(b, log)
		h.wantSame("a fact written again after reopening", h.write(b, fact(2)), log[2:3])
		h.wantParts("a part of the reopened log", b, log, cursors(log))
	}
	log = append(log, h.write(b, of("last", "tasks", "t1", "1"))...)
	if got, want := log[len(log)-1].Causation, fact(13).ID; got != want {
		h.Fatalf("after a snapshot and reopening, causation is %q, want %q", got, want)
	}
}

func reopenPruned(h *harness) {
	b := h.open()
	log := h.write(b, facts(12)...)
	h.snapshot(b, log[5].Seq)
	h.prune(b, log[2].Seq, log[7].Seq, log[9].Seq, log[10].Seq)
	left := without(log, 2, 7, 9, 10)
	b = h.reopen(b)
	h.wantLog(b, left)
	h.snapshot(b, 0)
	b = h.reopen(b)
	h.wantLog(b, left)
	left = append(left, h.write(b, fact(10))...) // its ID is forgotten, and so is fact 7, of the same key
	if got := left[len(left)-1]; got.Seq <= log[11].Seq || got.Causation != fact(4).ID {
		h.Fatalf("a pruned fact that was written again after reopening got seq %d and causation %q, want one above %d and %q",
			got.Seq, got.Causation, log[11].Seq, fact(4).ID)
	}
	h.wantLog(h.reopen(b), left)
}

func reopenHorizon(h *harness) {
	b := h.open()
	log := h.write(b, append(facts(6), of("a", "other", "k", "1"), of("b", "other", "k", "2"))...)
	want := map[string]backend.Horizon{}
	b = h.reopen(b)
	h.wantHorizons(b, want)
	for i, snapshot := range []bool{false, true, false} {
		h.pruneTo(b, horizonOf(log[i+3]), log[i].Seq)
		want["tasks"] = horizonOf(log[i+3])
		if i == 1 {
			h.pruneTo(b, horizonOf(log[7]), log[6].Seq, log[7].Seq) // the whole store
			want["other"] = horizonOf(log[7])
		}
		b = h.reopen(b)
		h.wantHorizons(b, want)
		if snapshot {
			h.snapshot(b, 0)
			b = h.reopen(b)
		}
		h.write(b, of(fmt.Sprint("later", i), "tasks", "t0", "1"))
		b = h.reopen(b)
		h.wantHorizons(b, want)
	}
	h.pruneTo(b, horizonOf(log[5]), seqs(h.replay(b, 0))...) // nothing is left
	h.snapshot(b, 0)
	b = h.reopen(b)
	h.wantHorizons(b, want)
}

func reopenPrunedLast(h *harness) {
	for _, snapshot := range []bool{false, true} {
		h.newLog()
		b := h.open()
		highest := uint64(0)
		for i := range 3 {
			log := h.write(b, facts(2*i + 2)[2*i:]...)
			if log[0].Seq <= highest {
				h.Fatalf("after the last facts, through seq %d, were pruned and the log reopened, the next one got seq %d", highest, log[0].Seq)
			}
			highest = log[1].Seq
			h.prune(b, log[1].Seq)
			if i > 0 {
				h.prune(b, log[0].Seq)
			}
			if snapshot {
				h.snapshot(b, 0)
			}
			b = h.reopen(h.reopen(b))
		}
	}
}

func reopenStats(h *harness) {
	b := h.open()
	log := h.write(b, facts(6)...)
	b = h.reopen(b)
	h.wantStats(b, log, log[5].Seq)
	h.prune(b, log[0].Seq, log[5].Seq)
	b = h.reopen(b)
	h.wantStats(b, log[1:5], log[5].Seq)
	h.prune(b, seqs(log)...)
	h.wantStats(h.reopen(b), nil, log[5].Seq)
}

func reopenCursor(h *harness) {
	b := h.open()
	log := h.write(b, append(facts(4), wides(9)[4:]...)...)
	var cursors []backend.Cursor
	for _, p := range h.replayPages(b, backend.Range{}) {
		cursors = append(cursors, p.Through)
	}
	for range 2 {
		b = h.reopen(b)
		for _, c := range cursors {
			h.wantSame("a reopened log after "+c.String(), factsOf(h.replayPages(b, backend.Range{After: c})), rest(log, c.Seq))
			if c.Seq < log[len(log)-1].Seq {
				follower, got := h.startFollower(b, backend.Range{After: c}, len(rest(log, c.Seq)))
				h.join(follower)
				h.wantSame("a reopened log, followed after "+c.String(), *got, rest(log, c.Seq))
			}
		}
		h.snapshot(b, 0)
		log = append(log, h.write(b, fact(len(log)))...)
	}
}

func reopenCursorPruned(h *harness) {
	b := h.open()
	log := h.write(b, facts(8)...)
	pages := h.replayPages(b, backend.Range{})
	c := pages[len(pages)-1].Through
	h.prune(b, seqs(log[4:])...)
	for i := range 3 {
		b = h.reopen(b)
		for _, seq := range []uint64{log[3].Seq, log[5].Seq, log[7].Seq} {
			c.Seq = seq
			pages := h.replayPages(b, backend.Range{After: c})
			h.wantSame("a reopened log after "+c.String(), factsOf(pages), nil)
			if err := reached(pages, backend.Range{}, log[7].Seq); err != nil {
				h.Fatalf("a reopened log after %s: %v", c, err)
			}
		}
		if i == 1 {
			h.snapshot(b, 0)
		}
	}
	more := h.write(b, fact(9))
	h.wantSame("a fact written after the cursor", factsOf(h.replayPages(b, backend.Range{After: c})), more)
}

func reopenInFlight(h *harness) {
	b := h.open()
	told := h.closeWhileWriting(b)
	log := h.replay(h.open(), 0)
	acknowledged := map[string]bool{}
	var all []backend.Fact
	for _, facts := range told {
		for _, f := range facts {
			acknowledged[f.ID] = true
			all = append(all, f)
		}
	}
	slices.SortFunc(all, bySeq)
	log = slices.DeleteFunc(log, func(f backend.Fact) bool { return !acknowledged[f.ID] })
	h.wantSame("what is left of the acknowledged facts after Close", log, all)
}

// closeWhileWriting closes b while writers write. For each writer, it returns the facts that the log had acknowledged
// before.
func (h *harness) closeWhileWriting(b backend.Log) [][]backend.Fact {
	h.Helper()
	told := make([][]backend.Fact, writers)
	begun := make(chan struct{}, writers)
	over := make(chan struct{})
	tasks := make([]*task, writers)
	for w := range writers {
		tasks[w] = h.start(func() error {
			for i := range 501 {
				if i == 500 { // Close may take a while: the last write comes after it
					<-over
				}
				f, err := h.put(b, by(w, i))
				switch {
				case errors.Is(err, backend.ErrClosed):
					return nil
				case err != nil:
					return err
				}
				told[w] = append(told[w], f)
				if i == 5 {
					begun <- struct{}{}
				}
			}
			return errors.New("a write succeeds after Close")
		})
	}
	for range writers {
		select {
		case <-begun:
		case <-h.ctx.Done():
			close(over)
			h.Fatalf("the writers don't get on")
		}
	}
	err := b.Close()
	close(over)
	h.wantError("Close while facts are written", err, nil)
	h.join(tasks...)
	return told
}
