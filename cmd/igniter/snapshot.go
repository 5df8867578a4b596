package main

import (
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) snapshotCommand() *cobra.Command {
	through := uint64(0)
	cmd := a.forPrograms(&cobra.Command{
		Use:   "snapshot",
		Short: "Consolidate the log into one compressed piece",
		Long: `Makes one compressed, checked piece of the log's segments, through a seq or all of it. What the log holds does not
change, and others go on writing and reading. A server wants a token with admin for it.`,
		Example: `  igniter snapshot --address 127.0.0.1:7400
  igniter snapshot --path ./log --through 51233`,
		Args: args(cobra.NoArgs),
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
				if a.json {
					return json.NewEncoder(a.out).Encode(snapshotReport{after.Facts, before.Bytes, after.Bytes})
				}
				_, err = fmt.Fprintf(a.out, "%d facts take %s, and took %s\n", after.Facts, humanize.IBytes(after.Bytes), humanize.IBytes(before.Bytes))
				return err
			})
		},
	})
	cmd.Flags().Uint64Var(&through, "through", 0, "the last seq to consolidate; 0: all")
	return a.where(cmd)
}

// A snapshotReport says what a snapshot made of the log.
type snapshotReport struct {
	Facts       uint64 `json:"facts"`
	BytesBefore uint64 `json:"bytes_before"`
	Bytes       uint64 `json:"bytes"`
}
