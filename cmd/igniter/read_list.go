// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

func (a *app) listCommand() *cobra.Command {
	var at moment
	var prefix string
	var where []string
	var limit uint
	cmd := a.withJSON(withLogFlags(withMoment(&cobra.Command{
		Use:   "list [STORE]",
		Short: "Show a store's keys and values, or all stores",
		Long: `Shows the keys of a store that have a value, in the order in which they were first written. Without a store, it shows
all stores.

--where compares a field of the value; "a.b" is the field b of the object in the field a. The text after "=" is JSON,
such as true or 17, or else a string. If --where is given several times, all conditions must hold.`,
		Example: `  igniter list --path ./log
  igniter list tasks --where done=false --where owner.name=ana --limit 20
  igniter list tasks --prefix 2026- --as-of -24h --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			conditions, err := parseConditions(where)
			if err != nil {
				return err
			}
			if len(given) == 0 {
				if prefix != "" || len(where) > 0 {
					return usage("--prefix and --where are for the keys of a store: igniter list STORE")
				}
				return a.listStores(cmd.Context(), &at)
			}
			hasPrefix := func(f *backend.Fact) bool { return strings.HasPrefix(f.Key, prefix) }
			return a.look(cmd.Context(), given[0], &at, hasPrefix, func(e *store.Engine) error {
				n, err := a.printRecords(e.List(cmd.Context(), given[0], store.Query{At: at.engine()}), func(r store.Record) bool { return query.HoldAll(conditions, r.Value()) }, limit)
				if err == nil && n == 0 && prefix == "" && len(e.Stores()) == 0 {
					a.sayNoStore(given[0])
				}
				return err
			})
		},
	}, &at)))
	flags := cmd.Flags()
	flags.StringVar(&prefix, "prefix", "", "only keys with this prefix")
	whereVar(flags, &where)
	flags.UintVar(&limit, "limit", 0, "how many to show; 0: all")
	return cmd
}

// A storeCount says how many facts a store has.
type storeCount struct {
	Store   string `json:"store"`
	Facts   int    `json:"facts"`
	LastSeq uint64 `json:"last_seq"`
}

func (a *app) listStores(ctx context.Context, at *moment) error {
	return a.withLog(ctx, func(log backend.Log) error {
		stats, err := log.Stats(ctx)
		if err == nil {
			_, err = stats.Resume(backend.Cursor{Seq: at.Seq}) // beyond the log's end the answer could change later
		}
		if err != nil {
			return err
		}
		a.sayAhead(at, &stats)
		if now := time.Now(); at.validNow {
			at.Valid = now
			if stats.LastTime.After(now) {
				at.Valid = stats.LastTime
			}
		}
		counts := map[string]*storeCount{}
		for f, err := range backend.Facts(log.Replay(ctx, backend.Range{Through: at.Seq})) {
			if err != nil {
				return err
			}
			valid := f.ValidTime
			if valid.IsZero() {
				valid = f.TransactionTime
			}
			if !at.Time.IsZero() && f.TransactionTime.After(at.Time) || !at.Valid.IsZero() && valid.After(at.Valid) {
				continue
			}
			c := counts[f.Store]
			if c == nil {
				c = &storeCount{Store: strings.Clone(f.Store)}
				counts[c.Store] = c
			}
			c.Facts++
			c.LastSeq = f.Seq
		}
		if stats, err = log.Stats(ctx); err != nil {
			return err
		}
		for name, h := range stats.Horizons {
			if h.Hides(at.Seq, at.Time) || !at.validNow && h.Hides(0, at.Valid) {
				return &backend.CompactedError{Store: name, Horizon: h}
			}
		}
		l := a.newListing("STORE", "FACTS", "LAST SEQ")
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			c := counts[name]
			if err := l.add(c, c.Store, c.Facts, c.LastSeq); err != nil {
				return err
			}
		}
		return l.end()
	})
}
