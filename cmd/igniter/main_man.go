package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages to a directory",
		Example: `  igniter man /usr/local/share/man/man1
  igniter man ./man && man ./man/igniter-serve.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			dir, root := given[0], cmd.Root()
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, &doc.GenManHeader{Title: "IGNITER", Section: "1", Source: "Igniter", Manual: "Igniter"}, dir); err != nil {
				return fmt.Errorf("write the manual pages to %s: %w", dir, err)
			}
			pages, err := filepath.Glob(filepath.Join(dir, "igniter*.1"))
			if err == nil {
				_, err = fmt.Fprintf(a.out, "%d pages in %s\n", len(pages), dir)
			}
			return err
		},
	}
}
