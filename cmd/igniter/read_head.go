// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) headCommand() *cobra.Command {
	var wait time.Duration
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "head",
		Short: "Print the line that proves later what the log contained",
		Long: `Prints the head of the log: its identity, how many facts it covers, pruned ones too, and the root of the hash tree over
them. Keep the line where nobody with access to the log's files can change it: igniter verify --head uses it to
prove that the log still contains every fact that the line covers. With each of its parts on a separate line, it is the
body of a C2SP checkpoint.

A log computes its head in the background, over facts that are durable. The command waits until the head covers the facts
that were durable when it began, but not longer than --wait, and then prints the head as it is.`,
		Example: `  igniter head --path ./log >> heads
  igniter verify ./log --head "$(tail -n 1 heads)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				ctx, cancel := context.WithTimeout(cmd.Context(), wait)
				defer cancel()
				c, err := waitForHead(ctx, log)
				if err != nil {
					return err
				}
				return a.print(c, "%s\n", c)
			})
		},
	}))
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Second, "how long to wait for the head to cover all facts")
	return cmd
}

// waitForHead returns the head of a log once it covers the facts that were durable at first, or as it is when ctx ends.
func waitForHead(ctx context.Context, log backend.Log) (backend.Checkpoint, error) {
	first, last := uint64(0), backend.Checkpoint{}
	for {
		s, err := log.Stats(ctx)
		if err != nil && ctx.Err() == nil {
			return last, err
		}
		if first == 0 {
			first = s.DurableSeq
		}
		c, ok := s.Checkpoint()
		if ok {
			last = c
		}
		if ok && c.Head.Through >= first {
			return c, nil
		}
		select {
		case <-ctx.Done():
			if last.Head.Leaves > 0 {
				return last, nil
			}
			if errors.Is(ctx.Err(), context.Canceled) {
				return last, ctx.Err()
			}
			return last, fmt.Errorf("the log has no head: it holds no durable facts, or has not computed its head yet (see --wait), or is not a log in files")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
