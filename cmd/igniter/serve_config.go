// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

func (a *app) configCommand() *cobra.Command {
	given := false
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "config",
		Short: "Show the settings and where each comes from",
		Long: `Shows every setting, its value, and the source of the value: a flag, a variable, the file, or the default. Secrets are
masked. If a setting is invalid, it fails as any command with the same flags, variables and file does.`,
		Example: `  igniter config --config /etc/igniter/igniter.yaml
  igniter config --given --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, name := range a.values.Unknown() {
				fmt.Fprintf(a.err, "igniter: warning: no setting has the variable %s\n", name)
			}
			l := a.newListing("SETTING", "VALUE", "FROM")
			for _, s := range a.values.Sources() {
				if given && s.From == "default" {
					continue
				}
				value := fmt.Sprint(s.Value)
				if list, ok := s.Value.([]string); ok {
					value = strings.Join(list, ",")
				}
				if err := l.add(s, s.Key, value, s.From); err != nil {
					return err
				}
			}
			return l.end()
		},
	}))
	cmd.Flags().BoolVar(&given, "given", false, "leave out defaults")
	settings.Add(cmd.Flags(), settings.Serve()...)
	return cmd
}
