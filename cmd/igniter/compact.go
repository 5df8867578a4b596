package main

import (
	"context"
	"encoding/json"
	"errors"
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
	var keep []string
	events, yes := false, false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "compact STORE...",
		Short: "Remove what is old from stores, for good",
		Long: `Removes from some stores what --keep does not name, durably:

  --keep latest   of each key the latest fact
  --keep 5        of each key the latest five
  --keep 90d      what one must know to read the store as of any time in the last 90 days: facts that another of their key
                  had replaced before that are removed; with --events, for stores of events, all older facts
  --keep all      everything

Given twice, both must hold. It shows how many facts it would remove, and does it with --yes. A fact in the store
igniter.compactions then says what was removed. Others go on writing and reading; a server wants a token with admin.`,
		Example: `  igniter compact sessions --keep latest --path ./log
  igniter compact deliveries --keep 90d --events --address 127.0.0.1:7400 --yes`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, stores []string) error {
			rule, err := parseRetention(keep, events)
			if err != nil {
				return err
			}
			if slices.Contains(stores, store.CompactionStore) {
				return usage("the receipts of compactions are kept")
			}
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				bar := a.progress(-1, "reading", false)
				e, err := store.Open(cmd.Context(), log, store.Options{
					Stores:   append(stores, store.CompactionStore),
					Progress: func(p store.OpenProgress) { _ = bar.Set64(int64(p.Facts)) },
				})
				_ = bar.Finish()
				if err != nil {
					return err
				}
				defer e.Close()
				known := e.Stores()
				for _, name := range stores {
					if !slices.Contains(known, name) {
						fmt.Fprintf(a.err, "igniter: the log has no store %q; igniter list shows those there are\n", name)
					}
					if err := e.Retain(name, rule); err != nil {
						return err
					}
				}
				return a.compact(cmd.Context(), e, yes)
			})
		},
	})
	cmd.Flags().StringSliceVar(&keep, "keep", nil, "what to keep: all, latest, a number of facts of each key, or a time such as 36h or 90d")
	cmd.Flags().BoolVar(&events, "events", false, "the stores hold events: those older than the time kept go, though nothing replaces them")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return a.where(cmd)
}

func parseRetention(keep []string, events bool) (r store.Retention, err error) {
	if len(keep) == 0 {
		return r, usage("say what to keep: --keep all, latest, a number, or a time such as 90d")
	}
	for _, text := range keep {
		n, err := strconv.Atoi(text)
		switch window := parseDays(text); {
		case text == "all":
		case text == "latest":
			r.Versions = 1
		case err == nil && n > 0:
			r.Versions = n
		case window > 0:
			r.Window = window
		default:
			return r, usage("--keep %q is neither all nor latest, nor a number, nor a time such as 36h or 90d", text)
		}
	}
	if r.Events = events; events && r.Window == 0 {
		return r, usage("--events goes with --keep and a time such as 90d")
	}
	return r, nil
}

// parseDays reads a duration, which may be in days; 0: it is none.
func parseDays(text string) time.Duration {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n <= 0 || n > 100*366 {
			return 0
		}
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// compact removes what the engine's retentions do not keep, if that is meant, or says what it would remove.
func (a *app) compact(ctx context.Context, e *store.Engine, yes bool) error {
	plan, does := e.PlanCompaction(), "would remove"
	var failed error
	if yes {
		plan, failed = e.Compact(ctx)
		does = "removed"
	}
	for _, c := range plan {
		if a.json {
			if err := json.NewEncoder(a.out).Encode(c); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.out, "%s %d facts of store %s, from seq %d to %d\n", does, c.Facts, printable(c.Store), c.Seqs[0][0], c.Seqs[len(c.Seqs)-1][1])
	}
	switch {
	case failed != nil:
		return failed
	case len(plan) == 0 && !a.json:
		_, err := fmt.Fprintln(a.out, "there is nothing to remove")
		return err
	case len(plan) > 0 && !yes:
		return errors.New("nothing is done yet: --yes removes them for good")
	}
	return nil
}
