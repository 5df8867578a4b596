package main

import (
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend/file"
)

func (a *app) repairCommand() *cobra.Command {
	yes := false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "repair DIR",
		Short: "Save what can be read of a damaged log",
		Long: `Shows what a repair of a log in a directory would do: which bytes it would move to DIR/quarantine, and which facts
the log would lose. With --yes it does that. Nothing is thrown away, but what is missing is missing: where there is
a backup that has it, restore that instead.

Without --yes it is exit code 1 where there is something to repair.`,
		Example: `  igniter repair ./log
  igniter repair ./log --yes`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			plan, err := file.PlanRepair(cmd.Context(), given[0])
			if err != nil {
				return err
			}
			needed := len(plan.Cuts)+len(plan.Missing) > 0
			if yes && needed {
				l, err := file.Open(cmd.Context(), file.Options{Path: given[0], Repair: true, Logger: zap.NewNop()})
				if err != nil {
					return err
				}
				plan = l.Report()
				if err := l.Close(); err != nil {
					return err
				}
			}
			if err := a.printRepair(&plan, yes); err != nil {
				return err
			}
			if needed && !yes {
				return fmt.Errorf("nothing is done yet: igniter repair %s --yes does it", given[0])
			}
			return nil
		},
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// A repairReport is file.RecoveryReport for programs.
type repairReport struct {
	Done    bool        `json:"done"`
	Facts   uint64      `json:"facts"`
	LastSeq uint64      `json:"last_seq"`
	Cuts    []file.Cut  `json:"cuts"`
	Missing [][2]uint64 `json:"missing"`
}

func (a *app) printRepair(r *file.RecoveryReport, done bool) error {
	if a.json {
		out := repairReport{Done: done, Facts: r.Facts, LastSeq: r.LastSeq, Cuts: append([]file.Cut{}, r.Cuts...), Missing: [][2]uint64{}}
		for _, m := range r.Missing {
			out.Missing = append(out.Missing, [2]uint64{m.First, m.Last})
		}
		return json.NewEncoder(a.out).Encode(out)
	}
	if len(r.Cuts)+len(r.Missing) == 0 {
		_, err := fmt.Fprintf(a.out, "nothing to repair: %d facts through seq %d\n", r.Facts, r.LastSeq)
		return err
	}
	moves, loses, keeps := "would move", "would be lost", "would keep"
	if done {
		moves, loses, keeps = "moved", "are lost", "keeps"
	}
	for _, c := range r.Cuts {
		fmt.Fprintf(a.out, "%s %s of %s, at byte %d, to %s: %s\n", moves, humanize.IBytes(uint64(c.Bytes)), c.File, c.Offset, c.Kept, printable(c.Reason))
	}
	for _, m := range r.Missing {
		fmt.Fprintf(a.out, "seqs %d to %d %s, except those pruned before\n", m.First, m.Last, loses)
	}
	_, err := fmt.Fprintf(a.out, "the log %s %d facts through seq %d\n", keeps, r.Facts, r.LastSeq)
	return err
}
