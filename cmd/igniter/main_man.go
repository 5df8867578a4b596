// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/igniter-store/igniter/cmd/igniter/internal/wholefile"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages to a directory",
		Example: `  igniter man /usr/local/share/man/man1
  igniter man ./man && man ./man/igniter-serve.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			dir := given[0]
			if err := a.outsideLog("a manual page", filepath.Join(dir, "igniter.1")); err != nil {
				return err
			}
			if err := wholefile.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			n, err := writeManual(cmd.Root(), dir)
			if err != nil {
				return fmt.Errorf("write the manual pages to %s: %w", dir, err)
			}
			return a.print(nil, "%d pages in %s\n", n, dir)
		},
	}
}

// writeManual writes the manual pages of a command and its subcommands, and returns how many there are.
func writeManual(cmd *cobra.Command, dir string) (n int, err error) {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		pages, err := writeManual(c, dir)
		if n += pages; err != nil {
			return n, err
		}
	}
	cmd.DisableAutoGenTag = true
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	return n + 1, wholefile.Write(filepath.Join(dir, name+".1"), 0o644, func(f *os.File) error {
		return doc.GenMan(cmd, &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "Igniter", Manual: "Igniter"}, f)
	})
}
