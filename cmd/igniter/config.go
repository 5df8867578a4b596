package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

func (a *app) configCommand() *cobra.Command {
	given := false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "config",
		Short: "Show the settings, and what came from where",
		Long: `Shows every setting, its value, and whether that came from a flag, a variable, the file or nowhere (the
default). Secrets are masked. It fails where a command with the same flags, variables and file would.`,
		Example: `  igniter config --config /etc/igniter/igniter.yaml
  igniter config --given --json`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			t := newTable(a.out, "setting", "value", "from")
			for _, s := range a.values.Sources() {
				if given && s.From == "default" {
					continue
				}
				if a.json {
					if err := json.NewEncoder(a.out).Encode(s); err != nil {
						return err
					}
					continue
				}
				value := fmt.Sprint(s.Value)
				if list, ok := s.Value.([]string); ok {
					value = strings.Join(list, ",")
				}
				t.row(s.Key, value, s.From)
			}
			for _, name := range a.values.Unknown() {
				fmt.Fprintf(a.err, "igniter: warning: %s is no setting's variable\n", name)
			}
			if a.json {
				return nil
			}
			return t.end()
		},
	})
	cmd.Flags().BoolVar(&given, "given", false, "leave out what is the default")
	a.where(cmd)
	settings.Add(cmd.Flags(), settings.Serve()...)
	return cmd
}
