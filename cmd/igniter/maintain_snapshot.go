// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) snapshotCommand() *cobra.Command {
	through := uint64(0)
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "snapshot",
		Short: "Merge the log's segments into one compressed file",
		Long: `Merges the log's segments, all or only those through a seq, into one compressed file with checksums. The log holds the same
facts as before, and others can write and read meanwhile. A server requires a token with admin.`,
		Example: `  igniter snapshot --address 127.0.0.1:7400
  igniter snapshot --path ./log --through 51233`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				before, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				if err := log.WriteSnapshot(cmd.Context(), through); err != nil {
					return err
				}
				after, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(snapshotReport{after.Facts, before.Bytes, after.Bytes}, "%d facts take %s, and took %s before\n",
					after.Facts, humanize.IBytes(after.Bytes), humanize.IBytes(before.Bytes))
			})
		},
	}))
	cmd.Flags().Uint64Var(&through, "through", 0, "the last seq to merge; 0: all")
	return cmd
}

// A snapshotReport says how large the log was and is.
type snapshotReport struct {
	Facts       uint64 `json:"facts"`
	BytesBefore uint64 `json:"bytes_before"`
	Bytes       uint64 `json:"bytes"`
}
