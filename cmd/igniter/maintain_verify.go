// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) verifyCommand() *cobra.Command {
	hashes, heads := false, []string(nil)
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "verify [DIR]",
		Short: "Check every byte of a log in files that is not open, or every fact of another log",
		Long: `Reads every byte of a log in a directory, checks each frame and each fact, and computes every hash again. If the log is
damaged, the exit code is 1, and each damaged place is shown: the file, the offset, and the first seq that can't be read
there. It changes nothing. To verify a log that a server has open, verify a copy: igniter backup, igniter restore.

If a crash cut the last write short, that is not damage: the write was not acknowledged. A hash that does not match its
value is not damage either, since other writers compute hashes in other ways; --hashes lists these facts.

--head takes a line that igniter head printed earlier, and proves that the log still contains every fact that the line
covers, byte for byte; otherwise the exit code is 1. Pruned facts are counted apart from facts that are simply gone.

With --address instead of DIR, it reads each fact of a log on a server, in PostgreSQL or in JetStream, as any reader does.
It checks that seqs ascend, that only pruned facts are missing (for a token that may read all stores), and that each hash
is right. For JetStream this checks every byte of every message.

If a store holds an ID twice, which an import by an earlier release could cause, the ID is shown with its seqs, and the
exit code is 1: igniter prune --seq removes the later facts.`,
		Example: `  igniter verify /var/lib/igniter/log
  igniter verify ./log --json | jq .damage
  igniter verify ./log --head "$(cat head-of-may)"
  igniter verify --address nats://127.0.0.1:4222 --log-name orders`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 0 {
				name, err := a.backend()
				switch {
				case err != nil:
					return err
				case name == "file":
					return usage("give the directory of the log: igniter verify DIR")
				case len(heads) > 0:
					return usage("--head is for a log in files: igniter verify DIR")
				}
				return a.withLog(cmd.Context(), func(log backend.Log) error { return a.verifyFacts(cmd.Context(), log, hashes) })
			}
			if a.values.Given("address") {
				return usage("both a directory and --address are given")
			}
			dir := given[0]
			checkpoints := make([]backend.Checkpoint, len(heads))
			for i, line := range heads {
				var err error
				if checkpoints[i], err = backend.ParseCheckpoint(line); err != nil {
					return fmt.Errorf("--head: %w", err)
				}
			}
			r, err := file.Verify(cmd.Context(), dir, checkpoints...)
			if err != nil {
				return err
			}
			if r.Segments+r.Snapshots == 0 && len(r.Damage) == 0 {
				return fmt.Errorf("%s holds no log: give the directory that --path names for serve", dir)
			}
			if err := a.print(newVerifyReport(&r), "%s", verifyText(dir, &r, hashes)); err != nil {
				return err
			}
			if n := len(r.Damage); n > 0 {
				return fmt.Errorf("%s is damaged, in %d places: igniter repair %s shows what can be saved; a backup may have everything", dir, n, dir)
			}
			for _, c := range r.Checkpoints {
				if !c.Holds {
					return fmt.Errorf("the head %q is not proven: %s", c.Checkpoint, c.Reason)
				}
			}
			if n := len(r.Doubled); n > 0 {
				return fmt.Errorf("%s holds %d IDs more than once: an import by an earlier release wrote their facts again, and keys may show old values; igniter prune --seq removes the later facts", dir, n)
			}
			return nil
		},
	}))
	cmd.Flags().StringArrayVar(&heads, "head", nil, "prove that the log contains all facts that this line of igniter head covers; may be repeated")
	cmd.Flags().BoolVar(&hashes, "hashes", false, "list the facts whose hashes do not match their values")
	return cmd
}

// verifyFacts reads all facts that a log has now.
func (a *app) verifyFacts(ctx context.Context, log backend.Log, hashes bool) error {
	before, err := log.Stats(ctx)
	if err != nil {
		return err
	}
	var r file.VerifyReport
	bar := a.progress(int64(before.Facts), "reading", false)
	last := uint64(0)
	for f, err := range counted(backend.Facts(log.Replay(ctx, backend.Range{Through: before.LastSeq})), bar) {
		if err != nil {
			bar.Finish()
			return fmt.Errorf("after seq %d: %w", last, err)
		}
		if f.Seq <= last {
			return fmt.Errorf("%w: seq %d comes after seq %d", backend.ErrCorrupt, f.Seq, last)
		}
		last = f.Seq
		r.Facts++
		r.Bytes += uint64(len(f.Value))
		if want, err := wire.Hash(f.Value); err != nil || want != f.ValueHash {
			r.Foreign = append(r.Foreign, file.FactHash{Seq: f.Seq, ID: f.ID, Have: f.ValueHash, Want: want})
		}
	}
	bar.Finish()
	after, err := log.Stats(ctx)
	if err != nil {
		return err
	}
	stores := log.Features().Stores // nil: all; if not all, Stats does not say how many facts they have
	if stores == nil {
		r.Pruned = after.LastSeq - after.Facts
	}
	if missing := before.LastSeq - min(r.Facts, before.LastSeq); missing > r.Pruned && stores == nil {
		return fmt.Errorf("%w: %d facts through seq %d are missing, and %d were pruned", backend.ErrCorrupt, missing, before.LastSeq, r.Pruned)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d facts through seq %d, their values have %s\n", r.Facts, before.LastSeq, humanize.IBytes(r.Bytes))
	text.WriteString(foreignText(&r, hashes))
	if r.Pruned > 0 {
		fmt.Fprintf(&text, "%d facts were pruned\n", r.Pruned)
	}
	if stores != nil {
		text.WriteString("these are the facts that this token may read; only a token that may read all stores can tell whether any is missing\n")
	}
	report := newVerifyReport(&r)
	report.Partial = stores != nil
	return a.print(report, "%ssound\n", text.String())
}

// A verifyReport is file.VerifyReport for programs.
type verifyReport struct {
	Segments  int            `json:"segments"`
	Snapshots int            `json:"snapshots"`
	Facts     uint64         `json:"facts"`
	Bytes     uint64         `json:"bytes"`
	Partial   bool           `json:"partial,omitempty"` // the token may not read all stores: the rest, and missing facts, were not checked
	Damage    []damageReport `json:"damage"`
	Torn      *file.Cut      `json:"torn,omitempty"`
	Foreign   int            `json:"foreign_hashes"`

	Doubled []file.DoubledID `json:"doubled_ids,omitempty"`

	Head     string                  `json:"head,omitempty"`
	Pruned   uint64                  `json:"pruned"`
	Gone     uint64                  `json:"gone"`
	GoneSeqs []file.Gap              `json:"gone_seqs,omitempty"`
	Heads    []file.CheckpointReport `json:"heads,omitempty"`
}

type damageReport struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Seq    uint64 `json:"seq"`
	Reason string `json:"reason"`
}

func newVerifyReport(r *file.VerifyReport) verifyReport {
	v := verifyReport{r.Segments, r.Snapshots, r.Facts, r.Bytes, false, []damageReport{}, r.Torn, len(r.Foreign), r.Doubled, headText(r), r.Pruned, r.Gone, r.GoneSeqs, r.Checkpoints}
	for i, d := range r.Damage {
		v.Damage = append(v.Damage, damageReport{d.Path, d.Offset, r.Seqs[i], d.Reason})
	}
	return v
}

func foreignText(r *file.VerifyReport, hashes bool) string {
	var text strings.Builder
	if n := len(r.Foreign); n > 0 {
		fmt.Fprintf(&text, "%d facts have hashes that another writer computed differently\n", n)
	}
	if hashes {
		for _, f := range r.Foreign {
			fmt.Fprintf(&text, "  seq %d, %s: has %s, its value's is %s\n", f.Seq, printable(f.ID), printable(f.Have), f.Want)
		}
	}
	return text.String()
}

func verifyText(dir string, r *file.VerifyReport, hashes bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d facts in %d segments and %d snapshots, %s\n", dir, r.Facts, r.Segments, r.Snapshots, humanize.IBytes(r.Bytes))
	if t := r.Torn; t != nil {
		fmt.Fprintf(&text, "%s ends with %d bytes, at byte %d, of a write that a crash cut short; the next start moves them to quarantine\n", t.File, t.Bytes, t.Offset)
	}
	text.WriteString(foreignText(r, hashes))
	for i, d := range r.Damage {
		fmt.Fprintf(&text, "damage: %s, at byte %d, from seq %d on: %s\n", d.Path, d.Offset, r.Seqs[i], printable(d.Reason))
	}
	if r.Pruned > 0 {
		fmt.Fprintf(&text, "%d facts were pruned; the log has their hashes\n", r.Pruned)
	}
	if r.Gone > 0 {
		fmt.Fprintf(&text, "%d facts are gone without a hash: lost, or pruned by an earlier release; --json lists their seqs\n", r.Gone)
	}
	if head := headText(r); head != "" {
		fmt.Fprintf(&text, "head: %s\n", head)
	}
	for _, c := range r.Checkpoints {
		if c.Holds {
			fmt.Fprintf(&text, "proven: the log contains all facts that %s covers\n", c.Checkpoint)
		}
	}
	text.WriteString(doubledText(r.Doubled))
	if len(r.Damage)+len(r.Doubled) == 0 {
		text.WriteString("sound\n")
	}
	return text.String()
}

// headText returns the checkpoint of the log; "" if it has none.
func headText(r *file.VerifyReport) string {
	c, ok := (&backend.Stats{Log: r.Log, Head: r.Head}).Checkpoint()
	if !ok {
		return ""
	}
	return c.String()
}

// doubledText lists IDs that a log holds more than once, the first of them if there are many.
func doubledText(all []file.DoubledID) string {
	const most = 20
	var text strings.Builder
	for _, d := range all[:min(most, len(all))] {
		fmt.Fprintf(&text, "ID %s is held %d times in store %s: seqs %s\n", printable(d.ID), len(d.Seqs), printable(d.Store), strings.Trim(fmt.Sprint(d.Seqs), "[]"))
	}
	if n := len(all) - most; n > 0 {
		fmt.Fprintf(&text, "and %d more IDs are held more than once; --json lists all\n", n)
	}
	return text.String()
}
