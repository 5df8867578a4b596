package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/server/auth"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make tokens that let clients in",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.Help(); err != nil {
				return err
			}
			return usage("a command is missing: igniter token new NAME")
		},
	}
	cmd.AddCommand(a.tokenNewCommand())
	return cmd
}

func (a *app) tokenNewCommand() *cobra.Command {
	var entry auth.TokenEntry
	var path string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token and its entry in the token file",
		Long: `Makes a token and prints it, the only time that it is to be seen: the entry has its hash. With --file the
entry is added to that file, which igniter serve --tokens reads, again on SIGHUP; without, it is printed too.

"*" stands for all stores.`,
		Example: `  igniter token new app --read tasks,users --write tasks --file /etc/igniter/tokens.yaml > app.token
  igniter token new operator --read '*' --write '*' --admin`,
		Args: args(cobra.ExactArgs(1)),
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
				_, err := fmt.Fprintf(a.out, "# The token; keep it secret, it is not to be had again:\n%s\n\n# Its entry for the server's token file:\n%s", token, text)
				return err
			}
			if err := addToken(path, text); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "igniter: added %s to %s; tell a running server with SIGHUP\n", entry.Name, path)
			_, err = fmt.Fprintln(a.out, token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&entry.Read, "read", nil, "stores that it may read; may be repeated")
	flags.StringSliceVar(&entry.Write, "write", nil, "stores that it may write; may be repeated")
	flags.BoolVar(&entry.Admin, "admin", false, "it may snapshot, prune and see the server's status")
	flags.StringVar(&path, "file", "", "token file to add the entry to, made if it is missing")
	return cmd
}

// addToken adds an entry to a file of tokens, if what comes of it is one. A server that reads it meanwhile sees the
// old file or the new one; others who add to it wait.
func addToken(path string, entry []byte) (err error) {
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("add a token to %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := os.FileMode(0o600)
	before, statErr := os.Stat(path)
	if statErr == nil {
		mode = before.Mode().Perm()
	}
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	_, err = next.Write(append(text, entry...))
	if err == nil && statErr == nil {
		err = chownLike(next, before)
	}
	if err == nil {
		err = next.Chmod(mode)
	}
	if err == nil {
		err = next.Sync()
	}
	if closeErr := next.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("add a token to %s: %w", path, err)
	}
	if _, err := auth.LoadTokens(next.Name()); err != nil {
		return fmt.Errorf("add a token to %s, which stays as it is: %w", path, err)
	}
	return os.Rename(next.Name(), path)
}
