// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func (a *app) compactCommand() *cobra.Command {
	var rule store.Retention
	cmd := a.withYes(a.withJSON(withLogFlags(&cobra.Command{
		Use:   "compact STORE...",
		Short: "Remove old facts of stores permanently",
		Long: `Removes from some stores, durably, the facts that --keep does not keep:

  --keep latest   keeps the latest fact of each key
  --keep 5        keeps the latest five facts of each key
  --keep 90d      keeps all facts that are needed to read the store as of any time in the last 90 days: it removes facts
                  that a later fact of their key replaced before that time; with --events, for stores of events, it
                  removes all older facts
  --keep all      keeps everything

With --forget, the deletion of a key is removed, too, once it is the only fact of the key that would be kept. Ages
count by the log's own times. A read as of a time that needs removed facts fails with an error.

If --keep is given twice, a fact is kept only if both keep it. The command shows how many facts it would remove; with
--yes it removes them. It then writes a fact to the store igniter.compactions that names the removed facts. Others can
write and read meanwhile. A server requires a token with admin.`,
		Example: `  igniter compact sessions --keep latest --path ./log
  igniter compact deliveries --keep 90d --events --address 127.0.0.1:7400 --yes`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, stores []string) error {
			if rule.Events && rule.Window == 0 {
				return usage("--events goes with --keep and a time such as 90d")
			}
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				e, err := a.openEngine(cmd.Context(), log, append(stores, store.CompactionStore)...)
				if err != nil {
					return err
				}
				defer e.Close()
				known := e.Stores()
				for _, name := range stores {
					if !slices.Contains(known, name) {
						fmt.Fprintf(a.err, "igniter: the log has no store %q; igniter list shows the stores\n", name)
					}
					if err := e.Retain(name, rule); err != nil {
						return commandError{err, 2, ""}
					}
				}
				return a.compact(cmd.Context(), e)
			})
		},
	})))
	cmd.Flags().Func("keep", "`what` to keep: all, latest, a number of facts of each key, or a time such as 36h or 90d", keeping(&rule))
	cmd.Flags().BoolVar(&rule.Events, "events", false, "the stores hold events: remove all that are older than the time to keep, even if nothing replaces them")
	cmd.Flags().BoolVar(&rule.Forget, "forget", false, "forget keys that were deleted: remove their deletions, too")
	_ = cmd.MarkFlagRequired("keep") // the flag exists
	return cmd
}

// compact removes the facts that the engine's retentions do not keep or, without --yes, shows how many these are.
func (a *app) compact(ctx context.Context, e *store.Engine) (err error) {
	plan, does := e.PlanCompaction(), "would remove"
	if a.yes {
		plan, err = e.Compact(ctx)
		does = "removed"
	}
	for _, c := range plan {
		if err := a.print(c, "%s %d facts of store %s, from seq %d to %d\n", does, c.Facts, printable(c.Store), c.Seqs[0][0], c.Seqs[len(c.Seqs)-1][1]); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case len(plan) > 0:
		return a.notDone("removes them permanently")
	case !a.json:
		_, err = fmt.Fprintln(a.out, "there is nothing to remove")
	}
	return err
}

// keeping returns the function of the flag --keep, which sets fields of a retention.
func keeping(r *store.Retention) func(text string) error {
	return func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(part)
			window, err2 := parseWindow(part)
			switch {
			case part == "all":
			case part == "latest":
				r.Versions = 1
			case err == nil && n > 0:
				r.Versions = n
			case err2 == nil && window > 0:
				r.Window = window
			default:
				return fmt.Errorf("%q is not all, latest, a number, or a time such as 36h or 90d", part)
			}
		}
		return nil
	}
}

// parseWindow reads a duration, perhaps in days.
func parseWindow(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
