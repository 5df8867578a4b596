package main

import "github.com/spf13/cobra"

func (a *app) deleteCommand() *cobra.Command {
	var w writeFlags
	cmd := a.forPrograms(&cobra.Command{
		Use:   "delete STORE KEY",
		Short: "Say that a key has no value any more",
		Long: `Writes a fact that retracts the key's value. Its past stays readable (igniter history, --as-of); igniter prune
removes facts for good.`,
		Example: `  igniter delete tasks milk --path ./log
  igniter delete tasks milk --if-latest 019332a4-… --producer '{"user":"ana","why":"bought"}'`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.write(cmd, w, given[0], given[1], []byte("null"))
		},
	})
	w.add(cmd, true)
	return a.where(cmd)
}
