// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

// A cursorFlag is a flag with a backend.Cursor: a seq, or a seq and the log.
type cursorFlag struct{ *backend.Cursor }

// Set implements pflag.Value.
func (c cursorFlag) Set(text string) (err error) {
	*c.Cursor, err = backend.ParseCursor(text)
	return err
}

// Type implements pflag.Value.
func (cursorFlag) Type() string { return "cursor" }

// cursorVar adds the flag --after.
func cursorVar(cmd *cobra.Command, c *backend.Cursor, help string) {
	cmd.Flags().Var(cursorFlag{c}, "after", help+"; or after a cursor such as 51233@0197c0de-…")
}
