// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/cmd/igniter/internal/wholefile"
)

func (a *app) exportCommand() *cobra.Command {
	var r backend.Range
	var output string
	cmd := withLogFlags(&cobra.Command{
		Use:   "export",
		Short: "Write the facts as NDJSON",
		Long: `Writes each fact as a line of JSON, in the order of the log, with its seq, ID, times and hash: all facts that the log holds
when the command begins, and perhaps some that are written meanwhile. igniter import reads the lines. With --output the
file is complete or not there.`,
		Example: `  igniter export --path ./log --output facts.ndjson
  igniter export --address 127.0.0.1:7400 --store tasks --after 51233 | zstd > tasks.ndjson.zst`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkStores(r.Stores); err != nil {
				return err
			}
			_, a.json = terminal(a.out)
			a.json = a.json && output == "" // no progress bar among lines of JSON
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				total := int64(-1)
				if stats, err := log.Stats(cmd.Context()); err == nil && r.Stores == nil {
					total = int64(stats.Facts)
				}
				bar := a.progress(total, "exporting", false)
				defer bar.Finish()
				return a.writeTo(output, func(w io.Writer) error {
					var line []byte
					missing := slices.Clone(r.Stores)
					for f, err := range counted(backend.Facts(log.Replay(cmd.Context(), r)), bar) {
						if err != nil {
							return err
						}
						if i := slices.Index(missing, f.Store); i >= 0 {
							missing = slices.Delete(missing, i, i+1)
						}
						line = appendLine(line[:0], &f)
						if _, err := w.Write(line); err != nil {
							return err
						}
					}
					return errors.Join(a.sayLost(cmd.Context(), log, r.Stores), a.sayMissing(cmd.Context(), log, missing...))
				})
			})
		},
	})
	cursorVar(cmd, &r.After, "only facts after this seq")
	cmd.Flags().StringArrayVar(&r.Stores, "store", nil, "only facts of this `store`; may be repeated")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; empty: the output")
	return cmd
}

// sayLost warns if the past is incomplete, since an export can't contain that.
func (a *app) sayLost(ctx context.Context, log backend.Log, stores []string) error {
	s, err := log.Stats(ctx)
	if err == nil {
		if err := s.Whole(0, stores); err != nil {
			fmt.Fprintf(a.err, "igniter: facts were pruned, and NDJSON does not record that: a log that imports it answers reads of that past from the facts that are left; use igniter backup to keep the horizon: %v\n", err)
		}
	}
	return err
}

// writeTo calls write with a buffered writer to the output or, if path names one, to a file, see [wholefile.Write].
func (a *app) writeTo(path string, write func(w io.Writer) error) error {
	buffered := func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 256<<10)
		return errors.Join(write(out), out.Flush())
	}
	if path == "" || path == "-" {
		return buffered(a.out)
	}
	if err := a.outsideLog("--output", path); err != nil {
		return err
	}
	a.warnOwner(path, a.say)
	return wholefile.Write(path, 0o600, func(f *os.File) error { return buffered(f) })
}
