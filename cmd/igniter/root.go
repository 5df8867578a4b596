package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

// An app is one run of the command.
type app struct {
	streams
	environ []string
	values  *settings.Values // set before a command runs that has settings
	json    bool

	byDefault string // the backend where nothing names one; "": that is an error
	isServer  bool   // the TLS settings are those of a server, and not of a client
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "igniter",
		Short: "Serve logs of facts, look at them, move them and mend them",
		Long: `Igniter keeps facts: an append-only, bitemporal log, and what follows from it.

Every command finds the log in the same way: --path for a directory, --address for a server. What flags do
not say is taken from IGNITER_* variables, and then from the file that --config or IGNITER_CONFIG names;
igniter config shows what came from where.

Exit codes: 0 done, 1 what was asked about is bad or could not be done, 2 the command was not understood.`,
		Example: `  igniter serve --path /var/lib/igniter/log
  igniter put tasks milk '{"title":"Buy milk"}' --address 127.0.0.1:7400
  igniter get tasks milk --address 127.0.0.1:7400 --as-of -1h`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: args(func(_ *cobra.Command, given []string) error {
			if len(given) > 0 {
				return usage("there is no command %q", given[0])
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.Help(); err != nil {
				return err
			}
			return usage("a command is missing")
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			a.values, err = settings.Load(cmd.Flags(), a.environ)
			return inUsage(cmd, err)
		},
	}
	root.SetFlagErrorFunc(inUsage)
	root.AddGroup(&cobra.Group{ID: "serve", Title: "Serve:"}, &cobra.Group{ID: "write", Title: "Write:"},
		&cobra.Group{ID: "read", Title: "Look:"}, &cobra.Group{ID: "move", Title: "Move:"}, &cobra.Group{ID: "mend", Title: "Mend:"})
	for group, commands := range map[string][]*cobra.Command{
		"serve": {a.serveCommand(), a.tokenCommand(), a.configCommand(), a.benchCommand()},
		"write": {a.putCommand(), a.appendCommand(), a.deleteCommand()},
		"read":  {a.getCommand(), a.historyCommand(), a.listCommand(), a.followCommand(), a.statsCommand()},
		"move":  {a.exportCommand(), a.importCommand(), a.backupCommand(), a.restoreCommand()},
		"mend":  {a.verifyCommand(), a.repairCommand(), a.dumpCommand(), a.snapshotCommand(), a.compactCommand(), a.pruneCommand()},
		"":      {a.versionCommand(), a.manCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			c.ValidArgsFunction = completionOf(c.Use)
			root.AddCommand(c)
		}
	}
	return root
}

// completionOf completes directories and files where a command takes them, and elsewhere nothing: stores and keys are not
// asked for, since that would mean to read the log.
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

// where gives a command the flags that say where the log is.
func (a *app) where(cmd *cobra.Command) *cobra.Command {
	settings.Add(cmd.Flags(), settings.Where()...)
	for name, values := range map[string][]string{
		"backend": {"memory", "file", "network"}, "transport": {"tcp", "unix"}, "sync": {"always", "interval", "never"},
		"log-format": {"console", "json"}, "log-level": {"debug", "info", "warn", "error"},
	} {
		// The flags are there: it can't fail, and neither can it below.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = cmd.MarkFlagDirname("path")
	return cmd
}

// forPrograms gives a command the flag --json.
func (a *app) forPrograms(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, one object a line")
	return cmd
}
