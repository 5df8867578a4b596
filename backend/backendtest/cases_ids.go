// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// idCases are about logs that remember all IDs. They pass for other logs.
func idCases() []testCase {
	const rule = "Features.AllIDs says that the log remembers the ID of every fact that it holds"
	return []testCase{
		{"ids-all", batches, rule + ".", func(h *harness) { allIDs(h, false) }},
		{"reopen-ids-all", reopening | batches, rule + ", whenever it was opened.", func(h *harness) { allIDs(h, true) }},
	}
}

func allIDs(h *harness, reopen bool) {
	b := h.open()
	if !b.Features().AllIDs {
		return
	}
	const size = 500
	given := facts(24 * size)
	var log []backend.Fact
	write := func(to int) {
		for some := range slices.Chunk(given[len(log):to], size) {
			log = append(log, h.batch(b, some)...)
		}
	}
	write(22 * size)
	h.snapshot(b, 0)
	write(24 * size)
	if reopen {
		b = h.reopen(b)
	}
	for at := len(given) - size; at >= 0; at -= 3 * size {
		h.wantSame(fmt.Sprintf("a batch written again after %d other facts", len(log)-size-at), h.batch(b, given[at:][:size]), log[at:][:size])
	}
	if b.Features().Prune {
		h.prune(b, log[0].Seq, log[size].Seq)
		log = without(log, 0, size)
		if reopen {
			b = h.reopen(b)
		}
		h.wantSame("a fact written again after others were pruned", h.batch(b, given[1:2]), log[:1])
		log = append(log, h.batch(b, given[size:size+1])...)
		if last := log[len(log)-2].Seq; log[len(log)-1].Seq <= last {
			h.Fatalf("a pruned fact that was written again got seq %d; seqs through %d were given", log[len(log)-1].Seq, last)
		}
	}
	h.wantLog(b, log)
}
