// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/cmd/igniter/internal/wholefile"
	"github.com/igniter-store/igniter/internal/plaintext"
	"github.com/igniter-store/igniter/server/auth"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make, list, revoke and rotate tokens for clients", Args: knownCommand, RunE: commandMissing, SuggestionsMinimumDistance: 2}
	cmd.AddCommand(a.tokenNewCommand(), a.tokenListCommand(), a.tokenRevokeCommand(), a.tokenRotateCommand())
	return cmd
}

func (a *app) tokenNewCommand() *cobra.Command {
	var entry auth.TokenEntry
	var path string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token and its entry in the token file",
		Long: `Makes a token and prints it. It can't be shown again, since its entry holds only its hash. With --file the entry is
added to a token file, which igniter serve --tokens reads, and reads again on SIGHUP. Without --file the entry is printed,
too.

"*" stands for all stores.`,
		Example: `  igniter token new app --read tasks,users --write tasks --file /etc/igniter/tokens.yaml > app.token
  igniter token new operator --read '*' --write '*' --admin`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, given []string) error {
			token, made := auth.NewToken(given[0])
			entry.Name, entry.SHA256 = made.Name, made.SHA256
			if given[0] == "" {
				return usage("the token's name is empty")
			}
			text, err := yaml.Marshal([]auth.TokenEntry{entry})
			if err != nil {
				return err
			}
			if path == "" {
				_, err := fmt.Fprintf(a.out, "# The token; keep it secret, it can't be shown again:\n%s\n\n# Its entry for the server's token file:\n%s", token, text)
				return err
			}
			if err := a.outsideLog("--file", path); err != nil {
				return err
			}
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && os.Geteuid() == 0 {
				if uid, ok := wholefile.Owner(path); ok && uid == 0 {
					a.say(path + " will be a file that only root can read: let the server's user read it")
				}
			}
			err = editTokens(path, true, func(before []byte) ([]byte, error) {
				if n := len(before); n > 0 && before[n-1] != '\n' {
					before = append(before, '\n')
				}
				return append(before, text...), nil
			}, a.printToken(token))
			if err != nil {
				return fmt.Errorf("add a token to %s, which stays as it is: %w", path, err)
			}
			_, err = fmt.Fprintf(a.err, "igniter: added %s to %s; send SIGHUP to a running server\n", entry.Name, path)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&entry.Read, "read", nil, "`stores` that it may read, with commas between them; a name with a comma stands in double quotes")
	flags.StringSliceVar(&entry.Write, "write", nil, "`stores` that it may write, in the same way")
	flags.BoolVar(&entry.Import, "import", false, "it may set transaction times, causations and hashes of facts, as igniter import does")
	flags.BoolVar(&entry.Admin, "admin", false, "it may make snapshots, prune, import, and see the server's status")
	flags.StringVar(&path, "file", "", "token file to add the entry to, created if it is missing")
	return cmd
}

// printToken returns a function that prints a token. It is called before the token file changes: if the token can't be
// printed, the file stays as it is, and so the token that a new one would replace stays valid.
func (a *app) printToken(token string) func() error {
	return func() error {
		_, err := fmt.Fprintln(a.out, token)
		return err
	}
}

// editTokens changes a token file, if its new contents are valid and valid returns nil. A server that reads the file
// meanwhile sees it before or after the change; other calls wait. Unless create is true, the file must exist.
func editTokens(path string, create bool, edit func(text []byte) ([]byte, error), valid func() error) (err error) {
	if path, err = wholefile.Target(path); err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil && !create {
		return err
	}
	name := path + ".lock"
	err = wholefile.Touch(name, 0o644)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		name, err = path, nil // which cannot be replaced there, and can be locked
	}
	if err != nil {
		return err
	}
	lock := flock.New(name, flock.SetFlag(os.O_RDONLY))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	text, err := plaintext.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if text, err = edit(text); err != nil {
		return err
	}
	return wholefile.Write(path, 0o600, func(f *os.File) error {
		_, err := f.Write(text)
		if err == nil {
			_, err = auth.LoadTokens(f.Name())
		}
		if err == nil {
			err = valid()
		}
		return err
	})
}
