package main

import "github.com/spf13/cobra"

func (a *app) putCommand() *cobra.Command {
	var w writeFlags
	cmd := a.forPrograms(&cobra.Command{
		Use:   "put STORE KEY [JSON|-]",
		Short: "Write a key's value",
		Long: `Writes a fact: from now on the key has that value. Without JSON, or with "-", the value is read from the input.
The receipt says where the fact is in the log. A condition that does not hold is exit code 1, and nothing is written.
A key or a value that begins with a dash comes after "--", and flags before it.`,
		Example: `  igniter put tasks milk '{"title":"Buy milk"}' --path ./log
  igniter put tasks milk '{"title":"Buy oat milk"}' --if-latest 019332a4-… --producer ana
  igniter put tasks milk --valid-time 2026-11-01 < milk.json
  igniter put --path ./log -- temperatures oslo -17`,
		Args: args(cobra.RangeArgs(2, 3)),
		RunE: func(cmd *cobra.Command, given []string) error {
			value, err := a.value(given[2:])
			if err != nil {
				return err
			}
			return a.write(cmd, w, given[0], given[1], value)
		},
	})
	w.add(cmd, true)
	return a.where(cmd)
}
