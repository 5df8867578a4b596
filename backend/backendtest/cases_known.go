// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"slices"
	"sync/atomic"

	"github.com/igniter-store/igniter/backend"
)

// knownCases are about facts that the reader of a loop already has.
func knownCases() []testCase {
	const rule = "With Range.Known, a log may leave out facts through the seq that Known returns, and no others. Through moves over them. "
	return []testCase{
		{"known", 0, rule, known},
		{"known-batch", batches, rule + "Of a batch that is known in part, the other facts come.", knownBatch},
		{"known-follow", 0, rule + "Known is called for each page, since its result grows.", knownFollow},
	}
}

// knows returns a Range of some stores (none: all) whose reader has all facts through a seq.
func knows(seq uint64, stores ...string) backend.Range {
	r := from(0, stores...)
	r.Known = func() uint64 { return seq }
	return r
}

// wantUnknown fails the case unless loops over the log yield all facts after the known ones.
func (h *harness) wantUnknown(b backend.Log, log []backend.Fact) {
	h.Helper()
	for _, seq := range cursors(log) {
		for _, r := range []backend.Range{knows(seq), knows(seq, "tasks")} {
			h.wantSame("a Replay without what is known", rest(factsOf(h.replayPages(b, r)), seq), rest(part(log, r), seq))
		}
		r := knows(seq)
		r.Through = log[len(log)-1].Seq
		got, err := collect(followOf(h.ctx, b, r))
		if err != nil {
			h.Fatalf("Follow %s: %v", rangeText(r), err)
		}
		h.wantSame("a Follow without what is known", rest(got, seq), rest(log, seq))
		for _, f := range got[:len(got)-len(rest(got, seq))] {
			h.wantSame("a fact that is known", []backend.Fact{f}, rest(log, f.Seq-1)[:1])
		}
	}
}

func known(h *harness) {
	b := h.open()
	log := h.write(b, append(stored(10), fact(20), wide(21), fact(22), wide(23), fact(24))...)
	h.wantUnknown(b, log)
	h.snapshot(b, 0)
	h.wantUnknown(b, log)
}

func knownBatch(h *harness) {
	b := h.open()
	all := facts(20)
	log := h.write(b, all[0])
	log = append(log, h.batch(b, all[1:7])...)
	log = append(log, h.batch(b, []backend.Fact{wide(30), fact(31), fact(32)})...)
	log = append(log, h.write(b, all[8])...)
	h.wantUnknown(b, log)
}

// knownFollow follows a log of which it writes every other fact itself.
func knownFollow(h *harness) {
	b := h.open()
	const n = 50
	var through atomic.Uint64
	r := backend.Range{Known: through.Load}
	seen := make(chan backend.Fact)
	follower := h.start(func() error {
		return walk(followOf(h.ctx, b, r), func(f backend.Fact) bool {
			select {
			case seen <- f:
			case <-h.ctx.Done():
			}
			return f.ID != fact(2*n-1).ID
		})
	})
	for i := range n {
		own := h.write(b, fact(2*i))
		through.Store(own[0].Seq)
		others := h.write(b, fact(2*i+1))
		for {
			var got backend.Fact
			select {
			case got = <-seen:
			case <-follower.done:
				h.Fatalf("the follower ended before fact %q: %v", others[0].ID, follower.err)
			case <-h.ctx.Done():
				h.Fatalf("fact %q was written by others, and not followed", others[0].ID)
			}
			if got.Seq == others[0].Seq {
				h.wantSame("a fact of others", []backend.Fact{got}, others)
				break
			}
			h.wantSame("a fact that is known", []backend.Fact{got}, own)
			own = slices.Delete(own, 0, 1)
		}
	}
	h.join(follower)
}
