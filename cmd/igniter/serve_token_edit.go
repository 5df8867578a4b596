// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/internal/plaintext"
	"github.com/igniter-store/igniter/server/auth"
)

// withTokenFile gives a command the required flag --file.
func withTokenFile(path *string, cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(path, "file", "", "token file")
	_ = cmd.MarkFlagRequired("file") // the flag exists
	return cmd
}

func (a *app) tokenListCommand() *cobra.Command {
	var path string
	return withTokenFile(&path, a.withJSON(&cobra.Command{
		Use:     "list",
		Short:   "Show the tokens in a token file",
		Long:    "Shows the entries of a token file: names and rights. Tokens themselves are not in the file, and hashes are not shown.",
		Example: "  igniter token list --file /etc/igniter/tokens.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := plaintext.ReadFile(path)
			if err != nil {
				return err
			}
			entries, err := tokenEntries(text)
			if err != nil {
				return fmt.Errorf("read %s: %w", path, err)
			}
			l := a.newListing("NAME", "ADMIN", "IMPORT", "READ", "WRITE")
			for _, e := range entries {
				e.SHA256 = ""
				shown := struct {
					auth.TokenEntry
					SHA256 string `json:"sha256,omitempty"` // hides the entry's
				}{TokenEntry: e}
				if err := l.add(shown, e.Name, yesNo(e.Admin), yesNo(e.Import), orNone(e.Read), orNone(e.Write)); err != nil {
					return err
				}
			}
			return l.end()
		},
	}))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

func orNone(stores []string) string {
	if len(stores) == 0 {
		return "-"
	}
	return strings.Join(stores, ",")
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	var path string
	return withTokenFile(&path, &cobra.Command{
		Use:   "revoke NAME",
		Short: "Remove a token's entry from a token file",
		Long: `Removes the entry of a token, and leaves the rest of the file as it is. A running server forgets the token on SIGHUP, and
then closes its connections.`,
		Example: "  igniter token revoke app --file /etc/igniter/tokens.yaml && systemctl reload igniter",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, given []string) error {
			err := editTokens(path, false, func(text []byte) ([]byte, error) {
				i, starts, err := findEntry(text, given[0])
				if err != nil {
					return nil, err
				}
				lines := bytes.SplitAfter(text, []byte("\n"))
				return bytes.Join(slices.Delete(lines, starts[i], starts[i+1]), nil), nil
			}, func() error { return nil })
			if err != nil {
				return fmt.Errorf("revoke a token in %s, which stays as it is: %w", path, err)
			}
			_, err = fmt.Fprintf(a.err, "igniter: removed %s from %s; send SIGHUP to a running server\n", given[0], path)
			return err
		},
	})
}

func (a *app) tokenRotateCommand() *cobra.Command {
	var path string
	return withTokenFile(&path, &cobra.Command{
		Use:   "rotate NAME",
		Short: "Replace a token in a token file by a new one",
		Long: `Makes a token with the rights of an entry, replaces the entry's hash, and prints the token. The old token stays valid until
the server reads the file again, on SIGHUP.`,
		Example: "  igniter token rotate app --file /etc/igniter/tokens.yaml > app.token && systemctl reload igniter",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, given []string) error {
			token, made := auth.NewToken(given[0])
			err := editTokens(path, false, func(text []byte) ([]byte, error) {
				i, starts, err := findEntry(text, given[0])
				if err != nil {
					return nil, err
				}
				entries, err := tokenEntries(text)
				if err != nil {
					return nil, err
				}
				lines := bytes.SplitAfter(text, []byte("\n"))
				entry := bytes.Join(lines[starts[i]:starts[i+1]], nil)
				if bytes.Count(entry, []byte(entries[i].SHA256)) != 1 {
					return nil, errors.New("the hash is not written as one text in the entry: edit the file by hand")
				}
				entry = bytes.Replace(entry, []byte(entries[i].SHA256), []byte(made.SHA256), 1)
				return bytes.Join(slices.Replace(lines, starts[i], starts[i+1], entry), nil), nil
			}, a.printToken(token))
			if err != nil {
				return fmt.Errorf("rotate a token in %s, which stays as it is: %w", path, err)
			}
			_, err = fmt.Fprintf(a.err, "igniter: %s has a new token in %s; send SIGHUP to a running server\n", given[0], path)
			return err
		},
	})
}

func tokenEntries(text []byte) (entries []auth.TokenEntry, err error) {
	if text, err = plaintext.UTF8(text); err == nil {
		if err = yaml.Unmarshal(text, &entries); err != nil {
			err = errors.New(yaml.FormatError(err, false, false)) // without the lines, which hold hashes
		}
	}
	return entries, err
}

// findEntry returns which entry of a token file has a name, and the lines with which the entries begin, from 0, with the
// end of the last. Comments before an entry belong to it.
func findEntry(text []byte, name string) (i int, starts []int, err error) {
	entries, err := tokenEntries(text)
	if err != nil {
		return 0, nil, err
	}
	if i = slices.IndexFunc(entries, func(e auth.TokenEntry) bool { return e.Name == name }); i < 0 {
		return 0, nil, fmt.Errorf("it has no token named %q; igniter token list shows them", name)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return 0, nil, errors.New(yaml.FormatError(err, false, false))
	}
	list, ok := ast.Node(nil), false
	if len(file.Docs) == 1 {
		list = file.Docs[0].Body
	}
	sequence, ok := list.(*ast.SequenceNode)
	if !ok || sequence.IsFlowStyle || len(sequence.Values) != len(entries) {
		return 0, nil, errors.New("it is not written as a list with a dash before each entry: edit the file by hand")
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	for _, v := range sequence.Values {
		at := v.GetToken().Position.Line - 1
		if m, ok := v.(*ast.MappingNode); ok && len(m.Values) > 0 {
			at = m.Values[0].Key.GetToken().Position.Line - 1
		}
		for at > 0 && !bytes.HasPrefix(bytes.TrimLeft(lines[at], " "), []byte("-")) {
			at--
		}
		for at > 0 && bytes.HasPrefix(bytes.TrimLeft(lines[at-1], " "), []byte("#")) {
			at--
		}
		starts = append(starts, at)
	}
	return i, append(starts, len(lines)), nil
}
