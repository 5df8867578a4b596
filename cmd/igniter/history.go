package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func (a *app) historyCommand() *cobra.Command {
	var at momentFlags
	cmd := a.forPrograms(&cobra.Command{
		Use:   "history STORE KEY",
		Short: "Show every fact of a key",
		Long: `Shows all facts of a key, deletions too, the oldest first: what the log held at a moment, and of that what was valid
by a time. A key without any is exit code 1.`,
		Example: `  igniter history tasks milk --path ./log
  igniter history tasks milk --as-of 2026-11-01 --json`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			m, err := at.moment(cmd)
			if err != nil {
				return err
			}
			return a.look(cmd.Context(), given[0], ofKey(given[1]), func(e *store.Engine) error {
				n := 0
				p := a.newFactPrinter()
				for r, err := range e.History(cmd.Context(), given[0], given[1], m) {
					if err != nil {
						return err
					}
					n++
					f := r.Fact()
					if err := p.print(&f); err != nil {
						return err
					}
				}
				if n == 0 {
					return fmt.Errorf("key %q in store %q has no facts then; igniter list %s shows the store's keys", given[1], given[0], given[0])
				}
				return p.end()
			})
		},
	})
	at.add(cmd)
	return a.where(cmd)
}

// A factPrinter prints facts, in a table or as JSON.
type factPrinter struct {
	app   *app
	table *table
}

func (a *app) newFactPrinter() *factPrinter {
	p := &factPrinter{app: a}
	if !a.json {
		p.table = newTable(a.out)
	}
	return p
}

func (p *factPrinter) print(f *backend.Fact) error {
	if p.app.json {
		return writeLine(p.app.out, f)
	}
	if !p.table.begun {
		p.table.heading(factColumns...)
	}
	p.table.row(factRow(f)...)
	return nil
}

// end writes what is left to write.
func (p *factPrinter) end() error {
	if p.app.json {
		return nil
	}
	return p.table.end()
}
