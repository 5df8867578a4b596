// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// A CheckpointReport says whether a log still contains the facts that a checkpoint covers. Instead of a pruned fact, the
// log may have its hash.
type CheckpointReport struct {
	Checkpoint backend.Checkpoint `json:"checkpoint"`
	Holds      bool               `json:"holds"`
	Reason     string             `json:"reason,omitempty"` // why the checkpoint does not hold, or can't be proven; "" if it holds
}

// maxGone limits the gaps in a VerifyReport.
const maxGone = 1000

// A headVerifier computes the head of a log, and its earlier heads for checkpoints.
type headVerifier struct {
	tree   *format.Tree
	report *VerifyReport
	left   []int // indexes of checkpoints not reached yet, in the order of their leaves
}

func newHeadVerifier(report *VerifyReport, id format.Identity, checkpoints []backend.Checkpoint) *headVerifier {
	h := &headVerifier{tree: format.NewTree(1), report: report}
	h.tree.Gone = func(first, last uint64) {
		report.Gone += last + 1 - first
		if len(report.GoneSeqs) < maxGone {
			report.GoneSeqs = append(report.GoneSeqs, Gap{first, last})
		}
	}
	report.Log = id.Log
	for i, c := range checkpoints {
		r := CheckpointReport{Checkpoint: c}
		through, ok := c.Head.Leaves, id.Log == c.Log
		for _, a := range id.Ancestors {
			if a.Log == c.Log {
				through, ok = a.Through, true
			}
		}
		switch {
		case !ok:
			r.Reason = fmt.Sprintf("the checkpoint is of another log: this one is %s", id.Log)
		case through < c.Head.Leaves:
			r.Reason = fmt.Sprintf("the checkpoint is of a log that this one goes on from after seq %d", through)
		default:
			h.left = append(h.left, i)
		}
		report.Checkpoints = append(report.Checkpoints, r)
	}
	slices.SortStableFunc(h.left, func(i, j int) int {
		return cmp.Compare(checkpoints[i].Head.Leaves, checkpoints[j].Head.Leaves)
	})
	return h
}

// fact adds a fact.
func (h *headVerifier) fact(f *backend.Fact) {
	if f.Seq > h.tree.Range.End() {
		h.through(f.Seq - 1)
		h.tree.Facts([]backend.Fact{*f})
	}
}

// through checks the checkpoints up to a seq. All nodes up to it must have been added.
func (h *headVerifier) through(seq uint64) {
	for len(h.left) > 0 {
		r := &h.report.Checkpoints[h.left[0]]
		leaves := r.Checkpoint.Head.Leaves
		if leaves > seq {
			return
		}
		h.left = h.left[1:]
		if h.tree.Inside(leaves) {
			r.Reason = fmt.Sprintf("it can't be proven: the facts around seq %d were pruned together, and the log has one hash of them all", leaves)
			continue
		}
		h.tree.Through(leaves)
		if r.Holds = h.tree.Range.Root() == [32]byte(r.Checkpoint.Head.Root); !r.Holds {
			r.Reason = fmt.Sprintf("the facts through seq %d differ from the facts that the checkpoint covers: some were changed, or are gone without a record", leaves)
		}
	}
}

// end completes the report. seq is the log's last seq.
func (h *headVerifier) end(seq uint64) {
	h.through(seq)
	for _, i := range h.left {
		r := &h.report.Checkpoints[i]
		r.Reason = fmt.Sprintf("the log ends at seq %d", seq)
	}
	h.tree.Through(seq)
	h.report.Pruned = h.tree.Pruned
	if seq > 0 {
		h.report.Head = backend.Head{Through: seq, Leaves: seq, Root: backend.RootHash(h.tree.Range.Root())}
	}
}
