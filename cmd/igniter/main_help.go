// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

// helpOwnFirst makes the help of all commands show a command's own flags before the flags that say where the log is.
func (a *app) helpOwnFirst(root *cobra.Command) {
	cobra.AddTemplateFunc("flagsOf", a.flagsOf)
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "Flags:\n{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}", "{{flagsOf .}}", 1))
}

func (a *app) flagsOf(cmd *cobra.Command) string {
	shared := map[string]bool{"config": true, "help": true}
	for _, s := range settings.Where() {
		shared[s.Flag()] = true
	}
	own, where := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if shared[f.Name] {
			where.AddFlag(f)
		} else {
			own.AddFlag(f)
		}
	})
	text := ""
	if own.HasAvailableFlags() {
		text = "Flags:\n" + own.FlagUsagesWrapped(a.width()) + "\n"
	}
	title := "Flags for the log and how to reach it:\n"
	if where.Lookup("path") == nil {
		title = "Other flags:\n"
	}
	return strings.TrimRight(text+title+where.FlagUsagesWrapped(a.width()), "\n")
}

// A checkedWriter remembers the first error of its Write, for callers that ignore it: cobra does, when it prints help.
type checkedWriter struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (w *checkedWriter) Write(text []byte) (n int, err error) {
	if n, err = w.to.Write(text); w.err == nil {
		w.err = err
	}
	return n, err
}
