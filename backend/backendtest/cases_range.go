// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"math"

	"github.com/igniter-store/igniter/backend"
)

// rangeCases are about the ranges and cursors of loops.
func rangeCases() []testCase {
	const cursor = "Loops resume only by cursors. "
	return []testCase{
		{"range-after", 0, "Replay yields the facts after r.After.", rangeAfter},
		{"range-through", 0, "A Range ends with the seq Through; 0: at the log's end.", rangeThrough},
		{"range-stores", 0, "A Range has only facts of its Stores; nil: all stores; empty: none.", rangeStores},
		{"range-diverged", 0, "An r.After beyond the log's end is a *DivergedError.", rangeDiverged},
		{"cursor-resume", 0, cursor + "Replay after any fact's seq, or any page's Through, yields the facts that come next.", cursorResume},
		{"cursor-log", 0, cursor + "A cursor names the log that it was read from; another log's cursor is a *DivergedError. With the zero LogID, only the end is checked.", cursorLog},
	}
}

// rest returns the facts of log with a seq above after.
func rest(log []backend.Fact, after uint64) []backend.Fact {
	for i, f := range log {
		if f.Seq > after {
			return log[i:]
		}
	}
	return nil
}

// part returns the facts of log that are in r.
func part(log []backend.Fact, r backend.Range) []backend.Fact {
	var in []backend.Fact
	for _, f := range log {
		if f.Seq > r.After.Seq && (r.Through == 0 || f.Seq <= r.Through) && r.Has(f.Store) {
			in = append(in, f)
		}
	}
	return in
}

// cursors returns every seq of log, and the seqs around them, up to the last.
func cursors(log []backend.Fact) []uint64 {
	list := []uint64{0}
	last := log[len(log)-1].Seq
	for _, f := range log {
		list = append(list, f.Seq-1, f.Seq, min(f.Seq+1, last))
	}
	return list
}

// wantParts fails the case unless b replays every part of log that begins after one of the given seqs. Facts of log may
// have been pruned.
func (h *harness) wantParts(what string, b backend.Log, log []backend.Fact, after []uint64) {
	h.Helper()
	for _, seq := range after {
		h.wantSame(what, h.replay(b, seq), rest(log, seq))
	}
}

func rangeAfter(h *harness) {
	b := h.open()
	log := h.write(b, facts(25)...)
	h.wantParts("a part of the log", b, log, cursors(log))
}

// stored returns n facts of four stores in turn.
func stored(n int) []backend.Fact {
	all := make([]backend.Fact, n)
	for i := range all {
		all[i] = of(fact(i).ID, []string{"a", "b", "c", "ab", "A"}[i%5], "k", "1")
	}
	return all
}

func rangeThrough(h *harness) {
	b := h.open()
	log := h.write(b, stored(20)...)
	last := log[19].Seq
	for _, stores := range [][]string{nil, {"a"}} {
		for _, after := range []uint64{0, log[0].Seq, log[9].Seq, last} {
			for _, through := range append(cursors(log), last+1, last+1000, math.MaxUint64) {
				r := from(after, stores...)
				r.Through = through
				h.wantSame("a Replay "+rangeText(r), factsOf(h.replayPages(b, r)), part(log, r))
			}
		}
	}
}

func rangeStores(h *harness) {
	b := h.open()
	log := h.write(b, stored(40)...)
	for _, stores := range [][]string{nil, {}, {"a"}, {"ab"}, {"a", "c"}, {"b", "none"}, {"none"}, {"a", "b", "c", "ab"}, {"c", "c"}, {""}} {
		for _, seq := range []uint64{0, log[9].Seq, log[10].Seq, log[39].Seq} {
			r := backend.Range{After: backend.Cursor{Seq: seq}, Stores: stores}
			h.wantSame("a Replay "+rangeText(r), factsOf(h.replayPages(b, r)), part(log, r))
		}
	}
	if got, err := take(replayOf(h.ctx, b, from(0, "a")), 3); err != nil || len(got) != 3 {
		h.Fatalf("a loop that is left after 3 facts: %d facts, error %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	_, err := collect(replayOf(ctx, b, from(0, "a")))
	h.wantError("Replay of a store with a cancelled context", err, context.Canceled)
}

// wantDiverged fails the case unless err says that a loop over a log with the given last seq can't go on
// from c.
func (h *harness) wantDiverged(what string, err error, c backend.Cursor, last uint64) {
	h.Helper()
	h.wantError(what, err, backend.ErrDiverged)
	var diverged *backend.DivergedError
	if !errors.As(err, &diverged) {
		h.Fatalf("%s: error %v, want a *DivergedError", what, err)
	}
	if diverged.Cursor != c || diverged.Common > last {
		h.Fatalf("%s: the error is %+v; the cursor was %+v, and the last seq is %d", what, *diverged, c, last)
	}
}

// beyond returns cursors beyond the last seq of a log.
func beyond(last uint64) []uint64 {
	return []uint64{last + 1, last + 2, last + 1000, math.MaxInt64, math.MaxUint64}
}

func rangeDiverged(h *harness) {
	b := h.open()
	last := uint64(0)
	for i := range 3 {
		for _, seq := range beyond(last) {
			for _, r := range []backend.Range{from(seq), from(seq, "tasks"), {After: backend.Cursor{Seq: seq}, Stores: []string{}}, {After: backend.Cursor{Seq: seq}, Through: seq}} {
				got, err := collect(replayOf(h.ctx, b, r))
				h.wantDiverged("Replay "+rangeText(r), err, r.After, last)
				h.wantSame("the facts before the error", got, nil)
			}
		}
		last = h.write(b, facts(5*i + 5)[5*i:]...)[4].Seq
		h.wantSame("the log after its last fact", h.replay(b, last), nil)
		if i == 1 {
			h.snapshot(b, 0)
		}
	}
}

func cursorResume(h *harness) {
	b := h.open()
	log := h.write(b, append(facts(10), wides(15)[10:]...)...)
	for _, stores := range [][]string{nil, {"tasks"}, {"other"}, {}} {
		r := backend.Range{Stores: stores}
		want := part(log, r)
		var all []backend.Fact
		for range log { // one fact after the other
			got, err := take(replayOf(h.ctx, b, r), 1)
			if len(all) == len(want) {
				break
			}
			if err != nil {
				h.Fatalf("Replay %s: %v", rangeText(r), err)
			}
			r.After.Seq = got[0].Seq
			all = append(all, got...)
		}
		h.wantSame("the facts of loops that were resumed at each fact", all, want)

		all, r.After = nil, backend.Cursor{}
		for range 2 * len(log) { // one page after the other
			before := r.After
			err := walkPages(replayOf(h.ctx, b, r), func(p backend.Page) bool {
				all, r.After = append(all, p.Facts...), p.Through
				return false
			})
			if err != nil {
				h.Fatalf("Replay %s: %v", rangeText(r), err)
			}
			if r.After == before {
				break
			}
		}
		h.wantSame("the facts of loops that were resumed at each page", all, want)
		if r.After.Seq < log[len(log)-1].Seq {
			h.Fatalf("the last page was read through %s, and the last fact has seq %d", r.After, log[len(log)-1].Seq)
		}
	}
}

func cursorLog(h *harness) {
	b := h.open()
	log := h.write(b, facts(6)...)
	pages := h.replayPages(b, backend.Range{})
	c := pages[len(pages)-1].Through
	if s := h.stats(b); s.Log != c.Log {
		h.Fatalf("Stats are of log %q, and pages of log %q", s.Log, c.Log)
	}
	other := backend.LogID{0: 1, 6: 0x70, 8: 0x80, 15: 1}
	for _, seq := range []uint64{log[0].Seq, log[5].Seq} {
		c.Seq = seq
		for _, after := range []backend.Cursor{c, {Seq: seq}} {
			h.wantSame("the log after "+after.String(), factsOf(h.replayPages(b, backend.Range{After: after})), rest(log, seq))
		}
		if c.Log == (backend.LogID{}) { // the log has no identity
			continue
		}
		foreign := backend.Cursor{Log: other, Seq: seq}
		for _, l := range []loop{replayOf(h.ctx, b, backend.Range{After: foreign}), followOf(h.ctx, b, backend.Range{After: foreign})} {
			_, err := collect(l)
			h.wantDiverged("a loop after the cursor of another log", err, foreign, log[5].Seq)
		}
	}
}
