package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func (a *app) getCommand() *cobra.Command {
	var at momentFlags
	valueOnly := false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "get STORE KEY",
		Short: "Show a key's value, now or at a moment",
		Long: `Shows the value that a key has, and the fact that says so. A key without a value is exit code 1.

It reads the store from its beginning; programs that read often embed the store, or ask a server's HTTP.`,
		Example: `  igniter get tasks milk --path ./log
  igniter get tasks milk --value | jq .title
  igniter get tasks milk --as-of 2026-11-01 --valid-at 2026-10-15`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			m, err := at.moment(cmd)
			if err != nil {
				return err
			}
			return a.look(cmd.Context(), given[0], ofKey(given[1]), func(e *store.Engine) error {
				r, ok, err := e.GetAt(cmd.Context(), given[0], given[1], m)
				if err != nil {
					return err
				}
				if !ok {
					return a.noValue(e, given[0], given[1])
				}
				f := r.Fact()
				switch {
				case valueOnly:
					_, err = fmt.Fprintf(a.out, "%s\n", f.Value)
				case a.json:
					err = writeLine(a.out, &f)
				default:
					err = describe(a.out, &f, r.Version())
				}
				return err
			})
		},
	})
	at.add(cmd)
	cmd.Flags().BoolVar(&valueOnly, "value", false, "print the value alone")
	return a.where(cmd)
}

func ofKey(key string) func(f *backend.Fact) bool {
	return func(f *backend.Fact) bool { return f.Key == key }
}

// noValue says what there is of a key instead of a value.
func (a *app) noValue(e *store.Engine, store, key string) error {
	latest := e.Latest(store, key)
	switch {
	case latest.Seq() == 0:
		return fmt.Errorf("key %q in store %q has no facts; igniter list shows the stores, igniter list %s its keys", key, store, store)
	case latest.Retracted():
		return fmt.Errorf("key %q in store %q has no value then; its latest fact, of seq %d, deletes it; igniter history shows all", key, store, latest.Seq())
	}
	return fmt.Errorf("key %q in store %q has no value then; igniter history shows since when it has one", key, store)
}
