package main

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend/file"
)

func (a *app) verifyCommand() *cobra.Command {
	hashes := false
	cmd := a.withJSON(&cobra.Command{
		Use:   "verify DIR",
		Short: "Check every byte of a log that is not open",
		Long: `Reads every byte of a log in a directory, checks each frame and each fact, and computes every hash again. If the log is
damaged, the exit code is 1, and each damaged place is shown: the file, the offset, and the first seq that can't be read
there. It changes nothing. To verify a log that a server has open, verify a copy: igniter backup, igniter restore.

A last write that a crash cut short is not damage: nothing of it was acknowledged. A hash that does not match its value
is not damage either, since other writers compute hashes in other ways; --hashes lists these facts.

An ID that the log holds twice, as an import by an earlier release could leave it, is shown with its seqs, and the exit
code is 1: igniter prune --seq removes the later facts.`,
		Example: `  igniter verify /var/lib/igniter/log
  igniter verify ./log --json | jq .damage`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			dir := given[0]
			r, err := file.Verify(cmd.Context(), dir)
			if err != nil {
				return err
			}
			if r.Segments+r.Snapshots == 0 {
				return fmt.Errorf("%s holds no log: give the directory that --path names for serve", dir)
			}
			if err := a.print(newVerifyReport(&r), "%s", verifyText(dir, &r, hashes)); err != nil {
				return err
			}
			if n := len(r.Damage); n > 0 {
				return fmt.Errorf("%s is damaged, in %d places: igniter repair %s says what can be saved; a backup may have it all", dir, n, dir)
			}
			if n := len(r.Doubled); n > 0 {
				return fmt.Errorf("%s holds %d IDs more than once: an import by an earlier release wrote their facts again, and keys may show old values; igniter prune --seq removes the later facts", dir, n)
			}
			return nil
		},
	})
	cmd.Flags().BoolVar(&hashes, "hashes", false, "list the facts whose hashes do not match their values")
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

	Doubled []file.DoubledID `json:"doubled_ids,omitempty"`
}

type damageReport struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Seq    uint64 `json:"seq"`
	Reason string `json:"reason"`
}

func newVerifyReport(r *file.VerifyReport) verifyReport {
	v := verifyReport{r.Segments, r.Snapshots, r.Facts, r.Bytes, []damageReport{}, r.Torn, len(r.Foreign), r.Doubled}
	for i, d := range r.Damage {
		v.Damage = append(v.Damage, damageReport{d.Path, d.Offset, r.Seqs[i], d.Reason})
	}
	return v
}

func verifyText(dir string, r *file.VerifyReport, hashes bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d facts in %d segments and %d snapshots, %s\n", dir, r.Facts, r.Segments, r.Snapshots, humanize.IBytes(r.Bytes))
	if t := r.Torn; t != nil {
		fmt.Fprintf(&text, "%s ends in %d bytes, at byte %d, of a last write that a crash cut short; the next start moves them to quarantine\n", t.File, t.Bytes, t.Offset)
	}
	if n := len(r.Foreign); n > 0 {
		fmt.Fprintf(&text, "%d facts have hashes that another writer computed in another way\n", n)
	}
	if hashes {
		for _, f := range r.Foreign {
			fmt.Fprintf(&text, "  seq %d, %s: has %s, its value's is %s\n", f.Seq, printable(f.ID), printable(f.Have), f.Want)
		}
	}
	for i, d := range r.Damage {
		fmt.Fprintf(&text, "damage: %s, at byte %d, from seq %d on: %s\n", d.Path, d.Offset, r.Seqs[i], printable(d.Reason))
	}
	text.WriteString(doubledText(r.Doubled))
	if len(r.Damage)+len(r.Doubled) == 0 {
		text.WriteString("sound\n")
	}
	return text.String()
}

// doubledText lists IDs that a log holds more than once, the first of them if there are many.
func doubledText(all []file.DoubledID) string {
	const most = 20
	var text strings.Builder
	for _, d := range all[:min(most, len(all))] {
		fmt.Fprintf(&text, "ID %s is held %d times: seqs %s\n", printable(d.ID), len(d.Seqs), strings.Trim(fmt.Sprint(d.Seqs), "[]"))
	}
	if n := len(all) - most; n > 0 {
		fmt.Fprintf(&text, "and %d more IDs are held more than once; --json lists all\n", n)
	}
	return text.String()
}
