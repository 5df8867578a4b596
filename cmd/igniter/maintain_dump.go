// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

func (a *app) dumpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dump FILE",
		Short: "Print the contents of a file of a log or a backup",
		Long: `Prints a segment, a snapshot or an index of a log, or a piece of a backup, as JSON lines. Each frame, also in a compressed
block, is a line with its offset, length and content; each damaged place is a line, too. If a place is damaged, the exit
code is 1; the frames after it are printed all the same.

While a server has the log open, the end of its last segment may seem damaged.`,
		Example: `  igniter dump ./log/00000000000000000001.wal
  igniter dump ./log/00000000000000051233.snap | jq -c 'select(.kind == "damage")'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.writeTo("-", func(w io.Writer) error {
				damaged, err := file.Dump(cmd.Context(), w, given[0])
				if err == nil && damaged > 0 {
					err = fmt.Errorf("%w: %s, in %d places", backend.ErrCorrupt, given[0], damaged)
				}
				return err
			})
		},
	}
}
