// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"errors"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// statsCases are about Stats and Features.
func statsCases() []testCase {
	return []testCase{
		{"stats", 0, "Stats: the seq of the first fact held, the highest seq ever acknowledged, and how many facts the log holds; each is 0 for an empty log.", stats},
		{"stats-while-writing", 0, "Stats.LastSeq: the highest seq ever acknowledged; every Replay started later yields all facts up to it.", statsWhileWriting},
		{"stats-pruned", pruning, "Stats.FirstSeq: of the first fact held, 0 if the log holds none. LastSeq: the highest seq ever acknowledged.", statsPruned},
		{"stats-last-time", 0, "Stats.LastTime: the latest transaction time of any fact ever written.", statsLastTime},
		{"reopen-stats-last-time", reopening, "Stats.LastTime: the latest transaction time of any fact ever written, whenever the log was opened.", reopenStatsLastTime},
		{"features", 0, "Features says what the log can do; what it can't do is errors.ErrUnsupported.", features},
	}
}

// wantStats fails the case unless b's Stats describe log, and last is the highest seq ever acknowledged.
func (h *harness) wantStats(b backend.Log, log []backend.Fact, last uint64) {
	h.Helper()
	s := h.stats(b)
	first := uint64(0)
	if len(log) > 0 {
		first = log[0].Seq
	}
	if s.FirstSeq != first || s.LastSeq != last || s.Facts != uint64(len(log)) || s.DurableSeq > last {
		h.Fatalf("Stats are %+v; the log holds %d facts, the first of seq %d, and gave seqs through %d", s, len(log), first, last)
	}
}

func stats(h *harness) {
	b := h.open()
	h.wantStats(b, nil, 0)
	var log []backend.Fact
	for i := range 5 {
		log = append(log, h.write(b, fact(i))...)
		h.wantStats(b, log, log[i].Seq)
		h.write(b, fact(i))
		h.wantStats(b, log, log[i].Seq)
	}
	h.snapshot(b, 0)
	h.wantStats(b, log, log[4].Seq)
}

func statsWhileWriting(h *harness) {
	b := h.open()
	tasks, _ := h.startWriters(b, 50)
	for range 50 {
		s := h.stats(b)
		pages := h.replayPages(b, backend.Range{})
		log := factsOf(pages)
		if s.LastSeq > 0 && (len(log) == 0 || log[len(log)-1].Seq < s.LastSeq) {
			h.Fatalf("Stats say that the last seq is %d, and a Replay begun then has %d facts and ends before it", s.LastSeq, len(log))
		}
		if err := reached(pages, backend.Range{}, s.LastSeq); err != nil {
			h.Fatalf("Stats say that the last seq is %d: %v", s.LastSeq, err)
		}
	}
	h.join(tasks...)
	log := h.replay(b, 0)
	if s := h.stats(b); s.LastSeq != log[len(log)-1].Seq {
		h.Fatalf("Stats say that the last seq is %d, and the last fact has seq %d", s.LastSeq, log[len(log)-1].Seq)
	}
}

func statsPruned(h *harness) {
	b := h.open()
	log := h.write(b, facts(6)...)
	last := log[5].Seq
	h.prune(b, log[0].Seq, log[3].Seq)
	h.wantStats(b, without(log, 0, 3), last)
	h.prune(b, last)
	h.wantStats(b, without(log, 0, 3, 5), last)
	h.wantEnd(b, h.stats(b).LastSeq)
	h.prune(b, seqs(log)...)
	h.wantStats(b, nil, last)
	f := h.write(b, fact(6))
	h.wantStats(b, f, f[0].Seq)
}

func statsLastTime(h *harness) {
	b := h.open()
	h.wantLastTime(b, time.Time{})
	late, early := fact(0), fact(1)
	late.TransactionTime = time.Now().Add(30 * time.Second).Round(time.Microsecond)
	early.TransactionTime = late.TransactionTime.Add(-time.Hour)
	h.write(b, late)
	h.wantLastTime(b, late.TransactionTime)
	h.write(b, early)
	h.wantLastTime(b, late.TransactionTime)
	h.wantLastTime(b, h.write(b, fact(2))[0].TransactionTime)
}

func reopenStatsLastTime(h *harness) {
	b := h.open()
	late := fact(0)
	late.TransactionTime = time.Now().Add(30 * time.Second).Round(time.Microsecond)
	h.write(b, late)
	b = h.reopen(b)
	h.wantLastTime(b, late.TransactionTime)
	early := fact(1)
	early.TransactionTime = late.TransactionTime.Add(-time.Hour)
	h.write(b, early)
	b = h.reopen(b)
	h.wantLastTime(b, late.TransactionTime)
}

// wantLastTime fails the case unless b's last time is want, or zero.
func (h *harness) wantLastTime(b backend.Log, want time.Time) {
	h.Helper()
	if got := h.stats(b).LastTime; !got.IsZero() && !got.Equal(want) {
		h.Fatalf("Stats.LastTime is %v; the latest transaction time of the log is %v", got, want)
	}
}

func features(h *harness) {
	b := h.open()
	log := h.write(b, facts(3)...)
	f := h.checkFeatures(b, batches|pruning|limited)
	if f.MaxFrame < 0 || f.Poll < 0 || !slices.IsSorted(f.Stores) {
		h.Fatalf("Features are %+v", f)
	}
	if !f.Batches {
		for _, batch := range []backend.Batch{
			{Facts: []backend.Fact{fact(3), fact(4)}},
			{Facts: []backend.Fact{fact(3)}, Expect: []backend.Expect{{Store: "tasks", Key: "none"}}},
			{Expect: []backend.Expect{{Store: "tasks", Key: "t0"}}},
		} {
			h.wantRefused(b, log, batch, errors.ErrUnsupported)
		}
	}
	if !f.Prune {
		_, err := b.Prune(h.ctx, slices.Values(seqs(log[:1])), backend.Horizon{})
		h.wantError("Prune", err, errors.ErrUnsupported)
		h.wantLog(b, log)
	}
	h.close(b)
	if after := b.Features(); after.Batches != f.Batches || after.Prune != f.Prune || after.MaxFrame != f.MaxFrame {
		h.Fatalf("Features are %+v after Close, and were %+v before", after, f)
	}
}
