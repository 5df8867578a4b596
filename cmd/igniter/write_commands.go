// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/spf13/cobra"

func (a *app) putCommand() *cobra.Command {
	var w write
	return a.writing(&w, &cobra.Command{
		Use:   "put STORE KEY [JSON|-]",
		Short: "Write a key's value",
		Long: `Writes a fact that gives the key a value. Without JSON, or with "-", the value is read from the input. The command
prints a receipt: the fact's place in the log. If a condition does not hold, the exit code is 1 and nothing is written.
If a key or a value begins with a dash, put "--" after all flags and before the arguments.`,
		Example: `  igniter put tasks milk '{"title":"Buy milk"}' --path ./log
  igniter put tasks milk '{"title":"Buy oat milk"}' --if-latest 019332a4-… --producer ana
  igniter put tasks milk --valid-time 2026-11-01 < milk.json
  igniter put --path ./log -- temperatures oslo -17`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.write(cmd.Context(), w, given[0], given[1], given[2:]...)
		},
	}, true)
}

func (a *app) appendCommand() *cobra.Command {
	var w write
	return a.writing(&w, &cobra.Command{
		Use:   "append STORE [JSON|-]",
		Short: "Write an event, under its own key",
		Long: `Writes an event: a fact whose key is its ID. Without JSON, or with "-", the value is read from the input. The command
prints a receipt: the fact's place in the log.`,
		Example: `  igniter append deliveries '{"order":17,"state":"left"}' --address 127.0.0.1:7400
  igniter append deliveries --valid-time -10m --json < event.json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, given []string) error {
			w.isEvent = true
			return a.write(cmd.Context(), w, given[0], "", given[1:]...)
		},
	}, false)
}

func (a *app) deleteCommand() *cobra.Command {
	var w write
	return a.writing(&w, &cobra.Command{
		Use:   "delete STORE KEY",
		Short: "Write that a key has no value any more",
		Long: `Writes a fact that retracts the key's value. Earlier values stay readable (igniter history, --as-of). To remove facts
permanently, use igniter prune.`,
		Example: `  igniter delete tasks milk --path ./log
  igniter delete tasks milk --if-latest 019332a4-… --producer '{"user":"ana","why":"bought"}'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.write(cmd.Context(), w, given[0], given[1], "null")
		},
	}, true)
}
