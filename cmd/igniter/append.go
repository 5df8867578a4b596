package main

import "github.com/spf13/cobra"

func (a *app) appendCommand() *cobra.Command {
	var w writeFlags
	cmd := a.forPrograms(&cobra.Command{
		Use:   "append STORE [JSON|-]",
		Short: "Write an event, under a key of its own",
		Long: `Writes an event: a fact whose key is its ID. Without JSON, or with "-", it is read from the input. The receipt says
where the fact is in the log.`,
		Example: `  igniter append deliveries '{"order":17,"state":"left"}' --address 127.0.0.1:7400
  igniter append deliveries --valid-time -10m --json < event.json`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			value, err := a.value(given[1:])
			if err != nil {
				return err
			}
			return a.write(cmd, w, given[0], "", value)
		},
	})
	w.add(cmd, false)
	return a.where(cmd)
}
