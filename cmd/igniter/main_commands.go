// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

// An app is one run of the command.
type app struct {
	in       io.Reader
	out, err io.Writer
	values   *settings.Values // set before the command starts
	help     *checkedWriter   // help, and what else cobra prints
	started  bool             // the command was understood

	json bool // --json
	yes  bool // --yes

	// Set by commands before they open the log.
	byDefault string // the backend if --path, --address and --backend are all missing; "": that is an error
	create    bool   // a log in files is created if it is missing
	mirrors   bool   // the settings of a connection are for the source of a mirror
	isServer  bool   // --address and the TLS settings do not name a server to connect to
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "igniter",
		Short: "Serve logs of facts, read them, move them and maintain them",
		Long: `Igniter keeps facts in an append-only, bitemporal log.

Every command finds the log in the same way: --path names a directory, --address a server. A flag takes precedence
over an IGNITER_* variable, and a variable over the file that --config or IGNITER_CONFIG names. igniter config shows
where each setting comes from.

Exit codes: 0 done, 1 failed or found something bad, 2 the command was not understood.`,
		Example: `  igniter serve --path /var/lib/igniter/log
  igniter put tasks milk '{"title":"Buy milk"}' --address 127.0.0.1:7400
  igniter get tasks milk --address 127.0.0.1:7400 --as-of -1h`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          commandMissing,

		SuggestionsMinimumDistance: 2,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			a.values, err = settings.Load(cmd.Flags(), os.Environ())
			return err
		},
	}
	a.help = &checkedWriter{to: plain(a.out)} // plain, since help may repeat arguments
	root.SetOut(a.help)
	root.SetErr(a.err)
	a.helpOwnFirst(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if strings.HasPrefix(err.Error(), "unknown shorthand flag") { // perhaps it is a key, or a negative value
			err = fmt.Errorf("%w; -- goes before arguments that begin with a dash: %s -- …", err, cmd.CommandPath())
		}
		return err
	})
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"serve", "Serve:", []*cobra.Command{a.serveCommand(), a.mirrorCommand(), a.promoteCommand(), a.tokenCommand(), a.configCommand(), a.benchCommand()}},
		{"write", "Write:", []*cobra.Command{a.putCommand(), a.appendCommand(), a.deleteCommand()}},
		{"read", "Read:", []*cobra.Command{a.getCommand(), a.historyCommand(), a.listCommand(), a.logCommand(), a.whyCommand(), a.diffCommand(), a.topCommand(), a.followCommand(), a.uiCommand(), a.statsCommand(), a.headCommand()}},
		{"move", "Move:", []*cobra.Command{a.exportCommand(), a.importCommand(), a.backupCommand(), a.restoreCommand()}},
		{"maintain", "Maintain:", []*cobra.Command{a.verifyCommand(), a.repairCommand(), a.dumpCommand(), a.snapshotCommand(), a.compactCommand(), a.pruneCommand()}},
		{"", "", []*cobra.Command{a.versionCommand(), a.manCommand()}},
	} {
		if group.id != "" {
			root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		}
		for _, c := range group.commands {
			c.GroupID = group.id
			c.SuggestFor = suggestFor[c.Name()]
			c.ValidArgsFunction = completionOf(c.Use)
			root.AddCommand(c)
			for _, c := range append(c.Commands(), c) {
				a.prepare(c)
			}
		}
	}
	a.prepare(root)
	root.InitDefaultCompletionCmd("completion")
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE, c.SuggestionsMinimumDistance = knownCommand, commandMissing, 2
			a.prepare(c)
		}
	}
	return root
}

// prepare makes a command set a.started, and show its usage if its arguments are wrong.
func (a *app) prepare(c *cobra.Command) {
	run, check := c.RunE, c.Args
	c.RunE = func(cmd *cobra.Command, given []string) error {
		a.started = true
		return run(cmd, given)
	}
	if check == nil {
		return
	}
	c.Args = func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			if cmd.HasSubCommands() {
				return err
			}
			return fmt.Errorf("%w; it is used as: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// commandMissing runs a command that has only subcommands.
func commandMissing(cmd *cobra.Command, _ []string) error {
	if err := cmd.Help(); err != nil {
		return err
	}
	return usage("a command is missing: %s COMMAND", cmd.CommandPath())
}

// knownCommand checks the arguments of a command that has only subcommands.
func knownCommand(cmd *cobra.Command, given []string) error {
	if len(given) == 0 {
		return nil
	}
	text := ""
	names := slices.Compact(cmd.SuggestionsFor(given[0]))
	alike := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(given[0], name[:1]) })
	if len(alike) == 0 {
		alike = names
	}
	for _, name := range alike {
		text += "\n\t" + name
	}
	if text != "" {
		text = "\n\nDid you mean this?" + text + "\n"
	}
	return fmt.Errorf("unknown command %q for %q%s", given[0], cmd.CommandPath(), text)
}

// suggestFor has the names that other programs use for commands.
var suggestFor = map[string][]string{
	"get": {"show", "read", "cat"}, "list": {"ls", "keys", "stores"}, "follow": {"tail", "watch", "subscribe"}, "delete": {"remove", "rm", "retract"},
	"put": {"set", "write"}, "history": {"versions"}, "why": {"lineage", "blame", "explain"}, "serve": {"start", "run", "server"}, "stats": {"status", "info"},
	"version": {"about"}, "ui": {"inspect", "open", "browse"}, "mirror": {"replicate", "standby", "replica"},
}

// completionOf completes directories and files where a command takes them. It does not complete stores and keys, for
// which it would have to read the log.
func completionOf(use string) cobra.CompletionFunc {
	directive := cobra.ShellCompDirectiveNoFileComp
	switch {
	case strings.Contains(use, "FILE"):
		directive = cobra.ShellCompDirectiveDefault
	case strings.Contains(use, "DIR"):
		directive = cobra.ShellCompDirectiveFilterDirs
	}
	return cobra.FixedCompletions(nil, directive)
}

// withLogFlags gives a command the flags that say where the log is.
func withLogFlags(cmd *cobra.Command) *cobra.Command {
	settings.Add(cmd.Flags(), settings.Where()...)
	for name, values := range map[string][]string{
		"backend": backend.Names(), "transport": {"tcp", "unix"}, "sync": {"always", "interval", "never"},
		"log-format": {"console", "json"}, "log-level": {"debug", "info", "warn", "error"},
	} {
		// The flags exist, so that neither this nor the line below can fail.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = cmd.MarkFlagDirname("path")
	return cmd
}

// withJSON gives a command the flag --json.
func (a *app) withJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, one object a line")
	return cmd
}

// withYes gives a command the flag --yes. Without the flag, the command shows what it would do and returns a.notDone.
func (a *app) withYes(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.yes, "yes", false, "do it; without --yes, show what would be done")
	return cmd
}

// notDone returns nil with --yes. Without it, it returns the error of a command that has only shown what it would do.
func (a *app) notDone(does string) error {
	if a.yes {
		return nil
	}
	return fmt.Errorf("nothing is done yet: --yes %s", does)
}
