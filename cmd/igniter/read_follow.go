// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) followCommand() *cobra.Command {
	var r backend.Range
	var limit uint
	var given filterFlags
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "follow [STORE...]",
		Short: "Print facts as they are written",
		Long: `Prints the facts of some stores, or of all, as they are written, one a line. It begins with the next fact or, with --after,
after a seq (0: at the log's beginning). --after 51233@UUID also names the log, whose UUID igniter stats shows: if the log
was replaced since, or ends before the seq, follow fails with "diverged" and says through which seq the two logs agree.

No fact is missing or printed twice. If the connection is lost, follow connects again and goes on where it was. If facts
after the seq were pruned, follow fails; from the log's beginning it warns and goes on. SIGINT ends it, with exit code 0.`,
		Example: `  igniter follow --address 127.0.0.1:7400
  igniter follow tasks deliveries --after 0 --json | jq .value
  igniter follow tasks --key 'home-*' --where done=true --producer ana
  igniter follow tasks --after "$(cat seq)"   # go on after the seq that was handled last`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, stores []string) error {
			chosen, err := given.filter(stores)
			if err != nil {
				return err
			}
			wants := chosen.Matcher()
			err = a.withLog(cmd.Context(), func(log backend.Log) error {
				if !cmd.Flags().Changed("after") {
					stats, err := log.Stats(cmd.Context())
					if err != nil {
						return err
					}
					r.After = backend.Cursor{Log: stats.Log, Seq: stats.LastSeq}
				}
				if len(stores) > 0 {
					r.Stores = stores
				}
				n, through, first := uint(0), r.After.Seq, true
				for page, err := range log.Follow(cmd.Context(), r) {
					if gone := page.Whole(through); gone != nil && first && through == 0 { // from the log's beginning it prints the facts that are left
						a.say(fmt.Sprintf("%v; the facts that are left follow", gone))
					} else if err == nil {
						err = gone
					}
					if err != nil {
						return err
					}
					through, first = page.Through.Seq, false
					for i := range page.Facts {
						f := &page.Facts[i]
						if !wants(f) {
							continue
						}
						if err := a.printEvent(f); err != nil {
							return err
						}
						if n++; n == limit {
							return nil
						}
					}
				}
				return nil
			})
			if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
				return nil // the way to end it
			}
			return err
		},
	}))
	cursorVar(cmd, &r.After, "begin after this seq (default the log's last seq)")
	given.add(cmd.Flags())
	cmd.Flags().Func("key", "only facts of this `key`; with a * at its end, of all keys with that prefix", func(key string) error {
		given.key = &key
		return nil
	})
	cmd.Flags().UintVar(&limit, "limit", 0, "end after this many facts; 0: never")
	return cmd
}
