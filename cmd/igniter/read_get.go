// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/store/reader"
)

func (a *app) getCommand() *cobra.Command {
	var at moment
	valueOnly, id := false, ""
	cmd := a.withJSON(withLogFlags(withMoment(&cobra.Command{
		Use:   "get STORE KEY | get --id ID",
		Short: "Show a key's value, now or at a moment, or one fact",
		Long: `Shows the value of a key and the fact that holds it. If the key has no value, the exit code is 1. With --id it shows the
fact with an ID, even if it is not the key's value now.

It reads the store from its beginning. Programs that read often should embed the store, or use a server's HTTP.`,
		Example: `  igniter get tasks milk --path ./log
  igniter get tasks milk --value | jq .title
  igniter get tasks milk --as-of 2026-11-01 --valid-at 2026-10-15
  igniter get --id 019332a4-7c1e-7d0a-b4e5-9c1f2d3e4f50`,
		Args: func(cmd *cobra.Command, given []string) error {
			if id == "" {
				return cobra.ExactArgs(2)(cmd, given)
			}
			return cobra.NoArgs(cmd, given)
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			show := func(f *backend.Fact, version int) error {
				if valueOnly {
					_, err := fmt.Fprintf(a.out, "%s\n", f.Value)
					return err
				}
				return a.print(f, "%s", describe(f, version))
			}
			if id != "" {
				if at != (moment{}) {
					return usage("a fact with an --id is the same at all times: leave out --as-of, --at-seq and --valid-at")
				}
				return a.ask(cmd.Context(), func(log backend.Log, r *reader.Reader, _ []string) error {
					v, err := a.find(cmd.Context(), log, r, id)
					if err != nil {
						return err
					}
					return show(&v.Fact, 0)
				})
			}
			return a.look(cmd.Context(), given[0], &at, ofKey(given[1]), func(e *store.Engine) error {
				r, ok, err := e.GetAt(cmd.Context(), given[0], given[1], at.engine())
				if err != nil {
					return err
				}
				if !ok {
					return noValue(e, given[0], given[1])
				}
				f := r.Fact()
				return show(&f, r.Version())
			})
		},
	}, &at)))
	cmd.Flags().StringVar(&id, "id", "", "show the fact with this ID, or with this seq")
	cmd.Flags().BoolVar(&valueOnly, "value", false, "print only the value")
	return cmd
}

func ofKey(key string) func(f *backend.Fact) bool {
	return func(f *backend.Fact) bool { return f.Key == key }
}

// noValue returns the error for a key without a value.
func noValue(e *store.Engine, store, key string) error {
	latest := e.Latest(store, key)
	switch {
	case latest.Seq() == 0:
		return fmt.Errorf("key %q in store %q has no facts; igniter list shows the stores, igniter list %s its keys", key, store, store)
	case latest.Retracted():
		return fmt.Errorf("key %q in store %q has no value then; its latest fact, with seq %d, deletes it; igniter history shows all", key, store, latest.Seq())
	}
	return fmt.Errorf("key %q in store %q has no value then; igniter history shows when it got one", key, store)
}
