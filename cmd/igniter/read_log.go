// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store/reader"
)

func (a *app) logCommand() *cobra.Command {
	var after backend.Cursor
	var q query.FactsQuery
	var given filterFlags
	var limit uint
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "log [STORE [KEY]]",
		Short: "Show what was written, when and by whom",
		Long: `Shows the facts of the log, of a store or of a key, in the order in which they were written, one a line: seq, transaction
time, key, producer and value. --since and --until select by transaction time, --after and --through by seq, --where by fields of
the value, and --producer by writer. A KEY that ends with * stands for all keys with that prefix. With --reverse the
latest fact comes first, and --limit then shows the latest facts without reading the whole log.

igniter why SEQ shows what led to a fact and what followed from it. igniter follow prints facts as they are written.`,
		Example: `  igniter log --since 1h --address 127.0.0.1:7400        # what changed in the last hour
  igniter log tasks milk --path ./log                     # every change of a key
  igniter log orders --where 'total>=900' --producer ana --since 2026-03-01T10:00 --until 2026-03-02
  igniter log --reverse --limit 20 --json`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) > 1 {
				given.key = &args[1]
			}
			if q.Filter, err = given.filter(args[:min(len(args), 1)]); err != nil {
				return err
			}
			if q.Limit = int(min(limit, math.MaxInt)); q.Limit == 0 {
				q.Limit = -1
			}
			return a.ask(cmd.Context(), func(log backend.Log, r *reader.Reader, readable []string) error {
				stats, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				if q.After, err = stats.Resume(after); err != nil {
					return err
				}
				_, facts, err := r.Facts(cmd.Context(), readable, q)
				if err != nil {
					return err
				}
				found := false
				for v, err := range facts {
					if err != nil {
						return err
					}
					found = true
					if err := a.printEvent(&v.Fact); err != nil {
						return err
					}
				}
				if stats, err = log.Stats(cmd.Context()); err != nil {
					return err
				}
				a.sayGone(&stats, q)
				if found {
					return nil
				}
				return a.sayMissing(cmd.Context(), log, q.Stores...)
			})
		},
	}))
	flags := cmd.Flags()
	flags.Func("since", "only facts written at this `time` or later: "+query.TimeHelp, instant(&q.Since))
	flags.Func("until", "only facts written before this `time`", instant(&q.Until))
	cursorVar(cmd, &after, "only facts after this seq")
	flags.Uint64Var(&q.Through, "through", 0, "only facts through this seq; 0: all")
	given.add(flags)
	flags.BoolVar(&q.Reverse, "reverse", false, "show the latest fact first")
	flags.UintVar(&limit, "limit", 0, "how many to show; 0: all")
	return cmd
}

// sayGone names the stores whose removed facts may have been among the facts that q selects.
func (a *app) sayGone(s *backend.Stats, q query.FactsQuery) {
	for store, h := range s.Horizons {
		r := backend.Range{Stores: q.Stores}
		if h.Seq > q.After && (q.Since.IsZero() || q.Since.Before(h.Time)) && (store == backend.AllStores || r.Has(store)) {
			a.say(fmt.Sprintf("facts of %s before seq %d were removed: the output before that seq may be incomplete", cmp.Or(store, "some stores"), h.Seq))
		}
	}
}
