// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend/file"
)

func (a *app) repairCommand() *cobra.Command {
	return a.withYes(a.withJSON(&cobra.Command{
		Use:   "repair DIR",
		Short: "Save what can be read of a damaged log",
		Long: `Shows what a repair of a log in a directory would do: which bytes it would move to DIR/quarantine, and which facts
the log would lose. With --yes it repairs the log. No byte is deleted, but the log then lacks the facts that can't be
read: if a backup has them, restore it instead.

Without --yes the exit code is 1 if there is something to repair.`,
		Example: `  igniter repair ./log
  igniter repair ./log --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			plan, err := a.repair(cmd.Context(), given[0])
			if err != nil {
				return err
			}
			r := repairReport{Done: a.yes, Facts: plan.Facts, LastSeq: plan.LastSeq, Cuts: append([]file.Cut{}, plan.Cuts...), Missing: [][2]uint64{}}
			for _, m := range plan.Missing {
				r.Missing = append(r.Missing, [2]uint64{m.First, m.Last})
			}
			if err := a.print(r, "%s", r); err != nil || len(r.Cuts)+len(r.Missing) == 0 {
				return err
			}
			return a.notDone("repairs the log")
		},
	}))
}

// repair repairs the log in a directory or, without --yes, plans that.
func (a *app) repair(ctx context.Context, dir string) (file.RecoveryReport, error) {
	if !a.yes {
		return file.PlanRepair(ctx, dir)
	}
	l, err := file.Open(ctx, file.Options{Path: dir, Repair: true, MustExist: true})
	if err != nil {
		return file.RecoveryReport{}, err
	}
	return l.Report(), l.Close()
}

// A repairReport is file.RecoveryReport for programs.
type repairReport struct {
	Done    bool        `json:"done"`
	Facts   uint64      `json:"facts"`
	LastSeq uint64      `json:"last_seq"`
	Cuts    []file.Cut  `json:"cuts"`
	Missing [][2]uint64 `json:"missing"` // ranges of seqs
}

func (r repairReport) String() string {
	if len(r.Cuts)+len(r.Missing) == 0 {
		return fmt.Sprintf("nothing to repair: %d facts through seq %d\n", r.Facts, r.LastSeq)
	}
	moves, loses, keeps := "would move", "would be lost", "would keep"
	if r.Done {
		moves, loses, keeps = "moved", "are lost", "keeps"
	}
	var text strings.Builder
	for _, c := range r.Cuts {
		fmt.Fprintf(&text, "%s %s of %s, at byte %d, to %s: %s\n", moves, humanize.IBytes(uint64(c.Bytes)), c.File, c.Offset, c.Kept, printable(c.Reason))
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&text, "seqs %d to %d %s, except those pruned before\n", m[0], m[1], loses)
	}
	fmt.Fprintf(&text, "the log %s %d facts through seq %d\n", keeps, r.Facts, r.LastSeq)
	return text.String()
}
