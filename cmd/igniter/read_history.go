// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func (a *app) historyCommand() *cobra.Command {
	var at moment
	return a.withJSON(withLogFlags(withMoment(&cobra.Command{
		Use:   "history STORE KEY",
		Short: "Show all facts of a key",
		Long: `Shows all facts of a key, deletions too, the oldest first. With --as-of or --at-seq it shows only facts that
the log held then, and with --valid-at only facts that had become valid by that time. If there is no such fact, the
exit code is 1.`,
		Example: `  igniter history tasks milk --path ./log
  igniter history tasks milk --as-of 2026-11-01 --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.look(cmd.Context(), given[0], &at, ofKey(given[1]), func(e *store.Engine) error {
				history := func(yield func(store.Record, error) bool) {
					for r, err := range e.History(cmd.Context(), given[0], given[1], at.engine()) {
						if errors.Is(err, backend.ErrCompacted) {
							fmt.Fprintf(a.err, "igniter: facts of store %q before seq %d were removed: the history may be incomplete before that\n", given[0], e.Horizon(given[0]).Seq)
							continue
						}
						if !yield(r, err) {
							return
						}
					}
				}
				n, err := a.printRecords(history, func(store.Record) bool { return true }, 0)
				if err == nil && n == 0 {
					err = fmt.Errorf("key %q in store %q has no facts then; igniter list %s shows the store's keys", given[1], given[0], given[0])
				}
				return err
			})
		},
	}, &at)))
}
