package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) pruneCommand() *cobra.Command {
	var seqs, store, key string
	yes := false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "prune",
		Short: "Remove facts for good",
		Long: `Removes facts from the log, durably: those at some seqs, or all of a store or of a key, past and present. It shows
how many they are, and does it with --yes. What was pruned can't be had back, but from a backup made before. Others go on
writing and reading. A server wants a token with admin for it; programs that hold the log in memory forget the facts when
they open it anew.

To keep what is current and remove what is old, use igniter compact.`,
		Example: `  igniter prune --path ./log --store people --key ana
  igniter prune --address 127.0.0.1:7400 --seq 17,100-120 --yes`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			byKey := cmd.Flags().Changed("key")
			switch {
			case (seqs == "") == (store == ""):
				return usage("say what to remove: either --seq, or --store and maybe --key")
			case byKey && store == "":
				return usage("--key is of a --store")
			}
			ranges, err := parseRanges(seqs)
			if err != nil {
				return err
			}
			has := func(f *backend.Fact) bool {
				if store != "" {
					return !byKey || f.Key == key
				}
				return slices.ContainsFunc(ranges, func(r [2]uint64) bool { return r[0] <= f.Seq && f.Seq <= r[1] })
			}
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				var r backend.Range
				if store != "" {
					r.Stores = []string{store}
				}
				var found []uint64
				for f, err := range backend.Facts(log.Replay(cmd.Context(), r)) {
					if err != nil {
						return err
					}
					if has(&f) {
						found = append(found, f.Seq)
					}
				}
				return a.removeFacts(cmd.Context(), log, found, yes)
			})
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&seqs, "seq", "", "seqs and ranges of seqs: 17,100-120")
	flags.StringVar(&store, "store", "", "all facts of that store")
	flags.StringVar(&key, "key", "", "of the store, only that key's")
	flags.BoolVar(&yes, "yes", false, "do it")
	return a.where(cmd)
}

func parseRanges(text string) (ranges [][2]uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 64)
		to, err2 := strconv.ParseUint(last, 10, 64)
		if err != nil || err2 != nil || from == 0 || to < from {
			return nil, usage("--seq %q is neither a seq nor a range of them such as 100-120", part)
		}
		ranges = append(ranges, [2]uint64{from, to})
	}
	return ranges, nil
}

// A pruneReport says what a prune did, or would do.
type pruneReport struct {
	Done  bool   `json:"done"`
	Facts uint64 `json:"facts"`
	First uint64 `json:"first_seq,omitempty"`
	Last  uint64 `json:"last_seq,omitempty"`
}

// removeFacts prunes facts, if that is meant.
func (a *app) removeFacts(ctx context.Context, log backend.Log, seqs []uint64, yes bool) error {
	r := pruneReport{Done: yes, Facts: uint64(len(seqs))}
	if len(seqs) > 0 {
		r.First, r.Last = seqs[0], seqs[len(seqs)-1]
	}
	if yes && len(seqs) > 0 {
		done, err := log.Prune(ctx, slices.Values(seqs), backend.Horizon{})
		if err != nil {
			return err
		}
		r.Facts = done.Pruned
	}
	if err := a.printPrune(r); err != nil {
		return err
	}
	if len(seqs) > 0 && !yes {
		return fmt.Errorf("nothing is done yet: --yes removes them for good")
	}
	return nil
}

func (a *app) printPrune(r pruneReport) (err error) {
	switch {
	case a.json:
		err = json.NewEncoder(a.out).Encode(r)
	case r.First == 0:
		_, err = fmt.Fprintln(a.out, "there are no such facts")
	case r.Done:
		_, err = fmt.Fprintf(a.out, "removed %d facts\n", r.Facts)
	default:
		_, err = fmt.Fprintf(a.out, "would remove %d facts, from seq %d to %d\n", r.Facts, r.First, r.Last)
	}
	return err
}
