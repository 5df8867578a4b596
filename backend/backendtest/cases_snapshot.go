// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"math"

	"github.com/igniter-store/igniter/backend"
)

// snapshotCases are about WriteSnapshot.
func snapshotCases() []testCase {
	const rule = "WriteSnapshot never changes what Replay yields."
	return []testCase{
		{"snapshot", 0, rule, snapshot},
		{"snapshot-goes-on", 0, rule + " The log still knows its IDs, keys and times.", snapshotGoesOn},
		{"snapshot-in-loop", 0, rule + " A running loop goes on.", snapshotInLoop},
		{"snapshot-while-writing", 0, rule + " Facts may be written meanwhile.", snapshotWhileWriting},
		{"snapshot-follow", 0, rule + " It does not change what Follow yields, either.", snapshotFollow},
		{"snapshot-cancelled", 0, "If ctx is done before the call, WriteSnapshot does nothing and returns ctx's error.", snapshotCancelled},
	}
}

func snapshot(h *harness) {
	b := h.open()
	log := h.write(b, append(facts(20), rich()[0], rich()[4])...)
	last := log[len(log)-1].Seq
	for _, through := range []uint64{log[5].Seq, log[0].Seq, log[12].Seq, log[3].Seq, last, last + 100, 0, math.MaxUint64, 0} {
		h.snapshot(b, through)
		h.wantLog(b, log)
		h.wantParts("a part of the log, after a snapshot,", b, log, cursors(log))
	}
}

func snapshotGoesOn(h *harness) {
	b := h.open()
	var log []backend.Fact
	for i := range 12 {
		log = append(log, h.write(b, fact(i))...)
		h.snapshot(b, uint64(i%2)*log[i/2].Seq)
		h.wantSame("a fact written again after a snapshot", h.write(b, fact(i/2)), log[i/2:i/2+1])
		if i >= 3 && log[i].Causation != log[i-3].ID {
			h.Fatalf("after a snapshot, fact %q has causation %q, want %q", log[i].ID, log[i].Causation, log[i-3].ID)
		}
		if i > 0 && (log[i].Seq <= log[i-1].Seq || log[i].TransactionTime.Before(log[i-1].TransactionTime)) {
			h.Fatalf("after a snapshot, fact %q has seq %d and transaction time %v; the one before it %d and %v",
				log[i].ID, log[i].Seq, log[i].TransactionTime, log[i-1].Seq, log[i-1].TransactionTime)
		}
	}
	h.wantLog(b, log)
}

func snapshotInLoop(h *harness) {
	b := h.open()
	log := h.write(b, wides(9)...)
	for _, through := range []uint64{0, log[1].Seq, log[6].Seq} {
		var got []backend.Fact
		err := walk(replayOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
			got = append(got, f)
			if len(got)%3 == 2 {
				h.snapshot(b, through)
			}
			return true
		})
		if err != nil {
			h.Fatalf("Replay: %v", err)
		}
		h.wantSame("a loop, with snapshots written in its body,", got, log)
		log = append(log, h.write(b, fact(len(log)))...)
	}
	h.wantLog(b, log)
}

func snapshotWhileWriting(h *harness) {
	b := h.open()
	told := make([][]backend.Fact, writers)
	for round := range 20 {
		begin := make(chan struct{})
		var tasks []*task
		for w := range writers {
			tasks = append(tasks, h.start(func() error {
				<-begin
				for i := range 4 {
					f, err := h.put(b, by(w, 4*round+i))
					if err != nil {
						return err
					}
					told[w] = append(told[w], f)
				}
				return nil
			}), h.start(func() error {
				<-begin
				return b.WriteSnapshot(h.ctx, uint64(w*round))
			}))
		}
		close(begin)
		h.join(tasks...)
	}
	h.wantAll(h.replay(b, 0), told)
}

func snapshotFollow(h *harness) {
	b := h.open()
	log := h.write(b, facts(20)...)
	var got []backend.Fact
	err := walk(followOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
		got = append(got, f)
		if len(got)%10 == 5 && len(got) < 35 {
			h.snapshot(b, 0)
			log = append(log, h.write(b, facts(len(log) + 5)[len(log):]...)...)
			h.snapshot(b, f.Seq)
		}
		return len(got) < 35
	})
	if err != nil {
		h.Fatalf("Follow: %v", err)
	}
	h.wantSame("what was followed, with snapshots written meanwhile,", got, log)
	again, err := take(followOf(h.ctx, b, from(log[9].Seq)), 25)
	if err != nil {
		h.Fatalf("Follow: %v", err)
	}
	h.wantSame("what is followed after a snapshot", again, log[10:])
}

func snapshotCancelled(h *harness) {
	b := h.open()
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	h.wantError("WriteSnapshot of an empty log with a cancelled context", b.WriteSnapshot(ctx, 0), context.Canceled)
	log := h.write(b, facts(10)...)
	for _, through := range []uint64{0, log[4].Seq} {
		h.wantError("WriteSnapshot with a cancelled context", b.WriteSnapshot(ctx, through), context.Canceled)
		h.wantLog(b, log)
		h.snapshot(b, through)
		h.wantLog(b, log)
	}
}
