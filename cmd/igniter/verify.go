package main

import (
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend/file"
)

func (a *app) verifyCommand() *cobra.Command {
	hashes := false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "verify DIR",
		Short: "Check every byte of a log that nobody has open",
		Long: `Reads every byte of a log in a directory, checks each frame and each fact, and computes every hash anew. Damage is
exit code 1, with the file, the offset, and the seq from which on facts can't be read there. It changes nothing; a log
that a server has open is verified in a copy: igniter backup, igniter restore.

A last write that is not whole is no damage: a crash leaves one, of which nothing was acknowledged. Neither are hashes
that other writers made otherwise; --hashes lists them.`,
		Example: `  igniter verify /var/lib/igniter/log
  igniter verify ./log --json | jq .damage`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			r, err := file.Verify(cmd.Context(), given[0])
			if err != nil {
				return err
			}
			if r.Segments+r.Snapshots == 0 {
				return fmt.Errorf("%s holds no log: give the directory that --path names for serve", given[0])
			}
			if err := a.printVerified(given[0], &r, hashes); err != nil {
				return err
			}
			if n := len(r.Damage); n > 0 {
				return fmt.Errorf("%s is damaged, in %d places: igniter repair %s says what can be saved; a backup may have it all", given[0], n, given[0])
			}
			return nil
		},
	})
	cmd.Flags().BoolVar(&hashes, "hashes", false, "list the facts with hashes that are not those of their values")
	return cmd
}

// A verifyReport is file.VerifyReport for programs.
type verifyReport struct {
	Segments  int            `json:"segments"`
	Snapshots int            `json:"snapshots"`
	Facts     uint64         `json:"facts"`
	Bytes     uint64         `json:"bytes"`
	Damage    []damageReport `json:"damage"`
	Torn      *file.Cut      `json:"torn,omitempty"`
	Foreign   int            `json:"foreign_hashes"`
}

type damageReport struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Seq    uint64 `json:"seq"`
	Reason string `json:"reason"`
}

func (a *app) printVerified(dir string, r *file.VerifyReport, hashes bool) error {
	if a.json {
		v := verifyReport{r.Segments, r.Snapshots, r.Facts, r.Bytes, []damageReport{}, r.Torn, len(r.Foreign)}
		for i, d := range r.Damage {
			v.Damage = append(v.Damage, damageReport{d.Path, d.Offset, r.Seqs[i], d.Reason})
		}
		return json.NewEncoder(a.out).Encode(v)
	}
	fmt.Fprintf(a.out, "%s: %d facts in %d segments and %d snapshots, %s\n", dir, r.Facts, r.Segments, r.Snapshots, humanize.IBytes(r.Bytes))
	if t := r.Torn; t != nil {
		fmt.Fprintf(a.out, "%s ends in %d bytes, at byte %d, of a last write that is not whole, as a crash leaves one; they will be cut off and kept in quarantine\n", t.File, t.Bytes, t.Offset)
	}
	if n := len(r.Foreign); n > 0 {
		fmt.Fprintf(a.out, "%d facts have hashes that another writer made otherwise\n", n)
	}
	if hashes {
		for _, f := range r.Foreign {
			fmt.Fprintf(a.out, "  seq %d, %s: has %s, its value's is %s\n", f.Seq, printable(f.ID), printable(f.Have), f.Want)
		}
	}
	for i, d := range r.Damage {
		fmt.Fprintf(a.out, "damage: %s, at byte %d, from seq %d on: %s\n", d.Path, d.Offset, r.Seqs[i], printable(d.Reason))
	}
	if len(r.Damage) == 0 {
		_, err := fmt.Fprintln(a.out, "sound")
		return err
	}
	return nil
}
