// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/internal/seqrange"
)

func (a *app) pruneCommand() *cobra.Command {
	var seqs [][2]uint64
	var store, key string
	var clear bool
	cmd := a.withYes(a.withJSON(withLogFlags(&cobra.Command{
		Use:   "prune",
		Short: "Remove facts permanently",
		Long: `Removes facts from the log, durably: facts with some seqs, or all facts of a store or of a key, past and present. It
shows how many facts it would remove, and removes them with --yes. Removed facts stay only in backups that were
made before. Others can write and read meanwhile. A server requires a token with admin. Programs that hold the log in
memory keep the facts until they open it again.

Bytes that a recovery moved to quarantine/ in the log's directory may hold such facts, too. If there are any, the
command says so. --clear-quarantine, with or without other flags, removes these files; no server may have the log open.

To keep current values and remove old ones, use igniter compact.`,
		Example: `  igniter prune --path ./log --store people --key ana
  igniter prune --address 127.0.0.1:7400 --seq 17,100-120 --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			byKey := cmd.Flags().Changed("key")
			switch {
			case byKey && store == "":
				return usage("--key needs --store")
			case cmd.Flags().Changed("store") && store == "":
				return usage("--store is empty, and a store has a name")
			}
			chosen := seqrange.Of(seqs...)
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				files, isFiles := log.(*file.Log)
				if clear && !isFiles {
					return usage("--clear-quarantine is for a log in files: give --path, while no server has it open")
				}
				if s, err := log.Stats(cmd.Context()); err == nil && s.Storage != nil && s.Storage.QuarantineBytes > 0 && !(clear && a.yes) {
					fmt.Fprintf(a.err, "igniter: quarantine/ in the log's directory holds %s that recoveries cut off, perhaps with facts to remove: "+
						"look there, and remove its files, which the log never reads, with --clear-quarantine\n", humanize.IBytes(s.Storage.QuarantineBytes))
				}
				if clear && a.yes {
					removed, err := files.ClearQuarantine(cmd.Context())
					if err != nil {
						return err
					}
					fmt.Fprintf(a.err, "igniter: removed %s from quarantine/\n", humanize.IBytes(removed))
				}
				if store == "" && len(seqs) == 0 {
					if !a.yes {
						return a.notDone("removes the files in quarantine/ permanently")
					}
					return nil
				}
				var r backend.Range
				if store != "" {
					r.Stores = []string{store}
				}
				var found seqrange.Set
				for f, err := range backend.Facts(log.Replay(cmd.Context(), r)) {
					if err != nil {
						return err
					}
					if store == "" && chosen.Has(f.Seq) || store != "" && (!byKey || f.Key == key) {
						found = found.Append(f.Seq)
					}
				}
				if len(found) == 0 {
					return a.print(pruneReport{Done: a.yes}, "there are no such facts\n")
				}
				report := pruneReport{a.yes, found.Len(), found[0][0], found[len(found)-1][1]}
				if !a.yes {
					if err := a.print(report, "would remove %d facts, from seq %d to %d\n", report.Facts, report.First, report.Last); err != nil {
						return err
					}
					return a.notDone("removes them permanently")
				}
				done, err := log.Prune(cmd.Context(), found.All(), backend.Horizon{})
				if err != nil {
					return err
				}
				report.Facts = done.Pruned
				return a.print(report, "removed %d facts\n", report.Facts)
			})
		},
	})))
	flags := cmd.Flags()
	flags.Func("seq", "remove the facts with these `seqs`, such as 17,100-120", parseSeqs(&seqs))
	flags.StringVar(&store, "store", "", "remove all facts of this store")
	flags.StringVar(&key, "key", "", "remove only the facts of this key of the store")
	flags.BoolVar(&clear, "clear-quarantine", false, "also remove the files in quarantine/ of the log's directory")
	cmd.MarkFlagsOneRequired("seq", "store", "clear-quarantine")
	cmd.MarkFlagsMutuallyExclusive("seq", "store")
	return cmd
}

// parseSeqs returns the function of the flag --seq, which adds to ranges.
func parseSeqs(ranges *[][2]uint64) func(text string) error {
	return func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
			if !isRange {
				last = first
			}
			from, err := strconv.ParseUint(first, 10, 64)
			to, err2 := strconv.ParseUint(last, 10, 64)
			if err != nil || err2 != nil || from == 0 || to < from {
				return fmt.Errorf("%q is neither a seq nor a range of seqs such as 100-120", part)
			}
			*ranges = append(*ranges, [2]uint64{from, to})
		}
		return nil
	}
}

// A pruneReport says what a prune did, or would do.
type pruneReport struct {
	Done  bool   `json:"done"`
	Facts uint64 `json:"facts"`
	First uint64 `json:"first_seq,omitempty"`
	Last  uint64 `json:"last_seq,omitempty"`
}
