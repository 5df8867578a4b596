// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// restoreCases are about logs that are restored to an earlier seq.
func restoreCases() []testCase {
	return []testCase{
		{"restored-cursor", restoring, "A restored log is another log: a Cursor of an ancestor goes on if it is at or before the seq through which the two " +
			"have the same facts; beyond it, or beyond the end, it is a *DivergedError.", restoredCursor},
		{"restored-open", restoring, "A Log is one history while it is open. If its place comes to hold another log, every method returns a *DivergedError.", restoredOpen},
	}
}

// restore replaces the case's log by an earlier state of it.
func (h *harness) restore(through uint64) {
	h.Helper()
	h.opts.Restore(h, h.dir, through)
	h.acked.Store(through)
}

func restoredCursor(h *harness) {
	b := h.open()
	log := h.write(b, facts(8)...)
	was := h.stats(b)
	common := log[4].Seq
	at := func(i int) backend.Cursor { return backend.Cursor{Log: was.Log, Seq: log[i].Seq} }
	h.close(b)
	h.restore(common)
	b = h.open()
	now := h.stats(b)
	if was.Log != (backend.LogID{}) && (now.Log == was.Log || !slices.Contains(now.Ancestors, backend.Ancestor{Log: was.Log, Through: common})) {
		h.Fatalf("a log restored through seq %d is of log %q with ancestors %v; before it was %q", common, now.Log, now.Ancestors, was.Log)
	}
	left := log[:5]
	for round := range 3 {
		for i := range log {
			c := at(i)
			for _, l := range []loop{replayOf(h.ctx, b, backend.Range{After: c}), followOf(h.ctx, b, backend.Range{After: c})} {
				switch {
				case c.Seq <= common:
					want := rest(left, c.Seq)
					if len(want) == 0 && l.follows {
						continue // it waits
					}
					got, err := take(l, len(want))
					if err != nil {
						h.Fatalf("after the cursor %s, which is not beyond what was restored: %v", c, err)
					}
					h.wantSame("a restored log after "+c.String(), got, want)
				case c.Log != (backend.LogID{}) || c.Seq > left[len(left)-1].Seq: // without a name, only the end is checked
					_, err := collect(l)
					h.wantDiverged("a loop after what is lost", err, c, left[len(left)-1].Seq)
					var diverged *backend.DivergedError
					if errors.As(err, &diverged); c.Log != (backend.LogID{}) && (diverged.Common != common || diverged.Log != now.Log) {
						h.Fatalf("after the cursor %s: %+v; the log is %q, and restored through seq %d", c, *diverged, now.Log, common)
					}
				}
			}
		}
		switch round {
		case 0: // the seqs are given to other facts
			left = append(left, h.write(b, facts(16)[10:]...)...)
		case 1:
			b = h.reopen(b)
		}
		if again := h.stats(b); again.Log != now.Log {
			h.Fatalf("the restored log was %q and is %q", now.Log, again.Log)
		}
	}
}

func restoredOpen(h *harness) {
	b := h.open()
	log := h.write(b, facts(8)...)
	h.wantLog(b, log)
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	followed := make(chan struct{})
	follower := h.start(func() error {
		for p, err := range b.Follow(ctx, backend.Range{}) {
			if errors.Is(err, backend.ErrDiverged) {
				return nil
			}
			if err != nil {
				return err
			}
			if p.Through.Seq >= log[7].Seq {
				close(followed)
			}
		}
		return errors.New("the follower ended without an error")
	})
	select {
	case <-followed:
	case <-h.ctx.Done():
		h.Fatalf("the follower does not get on")
	}
	h.restore(log[4].Seq)
	for range 2 {
		_, err := b.WriteFact(h.ctx, fact(20))
		h.wantError("WriteFact to a log that another one has replaced", err, backend.ErrDiverged)
		for _, w := range b.Write(h.ctx, backend.Batch{Facts: []backend.Fact{fact(21)}}) {
			h.wantError("Write", w.Err, backend.ErrDiverged)
		}
		for _, l := range []loop{replayOf(h.ctx, b, backend.Range{}), followOf(h.ctx, b, backend.Range{})} {
			_, err = collect(l)
			h.wantError("a loop", err, backend.ErrDiverged)
		}
		_, err = b.Stats(h.ctx)
		h.wantError("Stats", err, backend.ErrDiverged)
		h.wantError("WriteSnapshot", b.WriteSnapshot(h.ctx, 0), backend.ErrDiverged)
		if b.Features().Prune {
			_, err = b.Prune(h.ctx, slices.Values([]uint64{log[0].Seq}), backend.Horizon{})
			h.wantError("Prune", err, backend.ErrDiverged)
		}
	}
	h.join(follower)
	h.close(b)
	h.wantLog(h.open(), log[:5])
}
