package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) followCommand() *cobra.Command {
	after, limit := uint64(0), 0
	cmd := a.forPrograms(&cobra.Command{
		Use:   "follow [STORE...]",
		Short: "Print facts as they come",
		Long: `Prints the facts of some stores, or of all, as they come, one a line: from now on, or from a seq on with --after
(0: from the beginning), then without gap or repeat. A lost connection is made again, and goes on where it was. It ends
with SIGINT, with exit code 0.`,
		Example: `  igniter follow --address 127.0.0.1:7400
  igniter follow tasks deliveries --after 0 --json | jq .value
  igniter follow tasks --after "$(cat seq)"   # go on after the seq that was handled last`,
		RunE: func(cmd *cobra.Command, stores []string) error {
			if limit < 0 {
				return usage("--limit %d is below 0", limit)
			}
			err := a.withLog(cmd.Context(), func(log backend.Log) error {
				if !cmd.Flags().Changed("after") {
					stats, err := log.Stats(cmd.Context())
					if err != nil {
						return err
					}
					after = stats.LastSeq
				}
				n := 0
				r := backend.Range{After: backend.Cursor{Seq: after}, Stores: stores}
				if len(stores) == 0 {
					r.Stores = nil
				}
				for f, err := range backend.Facts(log.Follow(cmd.Context(), r)) {
					if err != nil {
						return err
					}
					if err := a.printEvent(&f); err != nil {
						return err
					}
					if n++; n == limit {
						break
					}
				}
				return nil
			})
			if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
				return nil // it is how this ends
			}
			return err
		},
	})
	cmd.Flags().Uint64Var(&after, "after", 0, "begin after that seq; default: after the log's last one")
	cmd.Flags().IntVar(&limit, "limit", 0, "end after that many facts; 0: never")
	return a.where(cmd)
}

// printEvent prints a fact as a line of its own.
func (a *app) printEvent(f *backend.Fact) error {
	if a.json {
		return writeLine(a.out, f)
	}
	cells := []string{fmt.Sprint(f.Seq), clock(f.TransactionTime), f.Store + "/" + f.Key, valueCell(f.Value)}
	if f.Producer != nil {
		cells = append(cells, "by "+cut(string(f.Producer), 32))
	}
	_, err := fmt.Fprintln(a.out, printable(strings.Join(cells, "  ")))
	return err
}
