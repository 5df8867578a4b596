// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) topCommand() *cobra.Command {
	var by string
	var limit uint
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "top STORE",
		Short: "Show the keys of a store that take most of the log",
		Long: `Shows the keys of a store whose facts take the most bytes, or that have the most facts, deletions too. Bytes count the
facts as JSON, before compression.`,
		Example: `  igniter top orders --path ./log
  igniter top orders --by versions --limit 100 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if by != "size" && by != "versions" {
				return usage("--by %q is neither size nor versions", by)
			}
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				keys := map[string]*keySize{}
				var line []byte
				for f, err := range backend.Facts(log.Replay(cmd.Context(), backend.Range{Stores: given})) {
					if err != nil {
						return err
					}
					k := keys[f.Key]
					if k == nil {
						k = &keySize{Key: strings.Clone(f.Key)}
						keys[k.Key] = k
					}
					line = wire.AppendFact(line[:0], &f)
					k.Versions++
					k.Bytes += uint64(len(line))
					k.LastSeq = f.Seq
				}
				var all []*keySize
				for _, k := range keys {
					all = append(all, k)
				}
				slices.SortFunc(all, func(a, b *keySize) int {
					if by == "size" {
						return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Key, b.Key))
					}
					return cmp.Or(cmp.Compare(b.Versions, a.Versions), cmp.Compare(a.Key, b.Key))
				})
				if len(all) == 0 {
					a.sayNoStore(given[0])
				}
				l := a.newListing("VERSIONS", "BYTES", "LAST SEQ", "KEY")
				for i, k := range all {
					if limit != 0 && uint(i) == limit {
						break
					}
					if err := l.add(k, k.Versions, humanize.IBytes(k.Bytes), k.LastSeq, k.Key); err != nil {
						return err
					}
				}
				return l.end()
			})
		},
	}))
	cmd.Flags().StringVar(&by, "by", "size", "size or versions")
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{"size", "versions"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.Flags().UintVar(&limit, "limit", 10, "how many to show; 0: all")
	return cmd
}

// A keySize says how much of a log a key takes.
type keySize struct {
	Key      string `json:"key"`
	Versions uint64 `json:"versions"`
	Bytes    uint64 `json:"bytes"`
	LastSeq  uint64 `json:"last_seq"`
}
