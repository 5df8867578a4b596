// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/cmd/igniter/internal/archive"
	"github.com/igniter-store/igniter/query"
)

func (a *app) restoreCommand() *cobra.Command {
	through, number, checkOnly, incomplete := uint64(0), 0, false, false
	var asOf time.Time
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "restore DIR|FILE...|-",
		Short: "Make a log from a backup",
		Long: `Makes a log from a backup: from a directory, from pieces in files, or from one piece in the input ("-"). It checks the
whole backup while it reads it, and the new log at the end. If anything is wrong, there is no new log.

With --path, which must hold no log, facts keep their seqs, and the new log records from which log it was made: readers
that have not read beyond the last restored seq go on, and others get an error ("diverged"). With --address, facts are
written to the server as by igniter import: its facts stay, and the new facts get new seqs.`,
		Example: `  igniter restore /backup/igniter --path /var/lib/igniter/log
  igniter restore /backup/igniter --check
  igniter restore /backup/igniter --path ./log --as-of 2026-03-01T10:00   # before somebody deleted it all
  igniter restore log.backup later.backup --path ./log --through 60000`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if !asOf.IsZero() && slices.Contains(given, "-") {
				return usage("--as-of reads the backup twice, and the input can be read only once: give a file")
			}
			lines, err := archive.Find(a.in, given...)
			if err != nil {
				return err
			}
			if len(lines) == 0 {
				return fmt.Errorf("there is no backup in %v: igniter backup makes one", given)
			}
			line, err := a.chooseLine(lines, number, checkOnly)
			if err != nil {
				return err
			}
			last := line.Last().Through
			if !asOf.IsZero() && !checkOnly {
				if through, err = throughTime(cmd.Context(), line, asOf); err != nil {
					return err
				}
				if made := line.Last().Made(); through == last && !made.IsZero() && asOf.After(made) {
					a.say(fmt.Sprintf("the backup was made at %s: it lacks all facts that were written after that", clock(made)))
				}
			}
			if through > last {
				return fmt.Errorf("--through %d: the backup ends at seq %d", through, last)
			}
			if through == 0 {
				through = last
			}
			if checkOnly {
				return a.checkBackup(lines)
			}
			reading := line.Read(through)
			pages := reading.Pages()
			name, err := a.backend()
			if err != nil {
				return err
			}
			if name == "file" {
				if text := otherOwner(filepath.Join(a.values.String("path"), "LOCK"), line.Last().Path); text != "" {
					a.say(text)
				}
				checkpoints, err := line.Checkpoints(through)
				if err != nil {
					return err
				}
				return a.restoreDir(cmd.Context(), reading, through, incomplete, checkpoints)
			}
			bar := a.progress(-1, "restoring", false)
			i, err := a.importFacts(cmd.Context(), bar, func() string { return "restore" }, counted(backend.Facts(pages), bar))
			if err != nil {
				return err
			}
			if s, _ := reading.Stats(cmd.Context()); len(s.Horizons) > 0 {
				fmt.Fprintln(a.err, "igniter: the backup lacks facts that were pruned, and the server does not know that: it answers reads of the past from the facts that are left; restore to a --path to keep the horizons")
			}
			return a.print(restoreReport{Facts: i.New + i.Known, LastSeq: i.last, New: i.New},
				"%d facts written, %d were there already; seqs are new, and readers must start again\n", i.New, i.Known)
		},
	}))
	cmd.Flags().Uint64Var(&through, "through", 0, "the last seq to restore; 0: all")
	cmd.Flags().Func("as-of", "restore what the log held at that `time`: "+query.TimeHelp, instant(&asOf))
	cmd.MarkFlagsMutuallyExclusive("through", "as-of")
	cmd.Flags().IntVar(&number, "line", 0, "which line of the backup to restore; 0: the newest")
	cmd.Flags().BoolVar(&incomplete, "incomplete", false, "restore through a seq even if facts that were pruned later are missing")
	cmd.Flags().BoolVar(&checkOnly, "check", false, "read and check all lines of the backup, and make no log")
	return cmd
}

// throughTime returns the seq of the last fact before the first fact that is later than a time. The facts of a batch
// have the same time, unless they were imported.
func throughTime(ctx context.Context, line *archive.Line, at time.Time) (through uint64, err error) {
	var first time.Time // of the first fact, if that is later
	reading := line.Read(line.Last().Through)
	for p, err := range reading.Pages() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		for i := range p.Facts {
			switch f := &p.Facts[i]; {
			case !first.IsZero(): // the line is read to its end, which has the horizons
			case !f.TransactionTime.After(at):
				through = f.Seq
			case through > 0:
				return through, nil
			default:
				first = f.TransactionTime
			}
		}
	}
	if first.IsZero() {
		return through, nil
	}
	s, err := reading.Stats(ctx)
	if err == nil {
		err = s.Whole(0, nil)
	}
	if err == nil {
		err = fmt.Errorf("the log held nothing yet at %s: its first fact is of %s", clock(at), clock(first))
	}
	return 0, err
}

// A restoreReport is the result of a restore.
type restoreReport struct {
	Facts   uint64 `json:"facts"`
	LastSeq uint64 `json:"last_seq"`
	New     uint64 `json:"new"`
	To      string `json:"to,omitempty"`
}

// A lineReport says what a line of a backup holds.
type lineReport struct {
	Line    int           `json:"line"`
	Facts   uint64        `json:"facts"`
	LastSeq uint64        `json:"last_seq"`
	Pieces  int           `json:"pieces"`
	Log     backend.LogID `json:"log,omitzero"` // the log of the last piece
	Newest  bool          `json:"newest"`       // restored unless another is chosen
}

// checkBackup reads and checks all lines.
func (a *app) checkBackup(lines []archive.Line) error {
	for i, l := range lines {
		last := l.Last()
		r := lineReport{Line: l.Number, LastSeq: last.Through, Pieces: len(l.Pieces), Log: last.Log, Newest: i == 0}
		for p, err := range l.Read(last.Through).Pages() {
			if err != nil {
				return err
			}
			r.Facts += uint64(len(p.Facts))
		}
		whole := "the backup"
		if len(lines) > 1 {
			whole = fmt.Sprintf("line %d, of log %s,", l.Number, last.Log)
		}
		if err := a.print(r, "%s is whole: %d facts through seq %d\n", whole, r.Facts, r.LastSeq); err != nil {
			return err
		}
	}
	return nil
}

// chooseLine returns the line with a number; 0: the newest.
func (a *app) chooseLine(lines []archive.Line, number int, quiet bool) (*archive.Line, error) {
	for i := range lines {
		if number == 0 || lines[i].Number == number {
			if len(lines) > 1 && !quiet {
				fmt.Fprintf(a.err, "igniter: restoring line %d of %d, which ends at seq %d\n", lines[i].Number, len(lines), lines[i].Last().Through)
			}
			return &lines[i], nil
		}
	}
	return nil, fmt.Errorf("--line %d: the backup has no such line; --check lists them", number)
}

func (a *app) restoreDir(ctx context.Context, r *archive.Reading, through uint64, incomplete bool, checkpoints []backend.Checkpoint) error {
	logger, err := a.logger("warn")
	if err != nil {
		return err
	}
	path := a.values.String("path")
	n, err := file.Restore(ctx, file.Options{Path: path, Logger: logger}, func(ctx context.Context) (backend.Stats, error) {
		s, err := r.Stats(ctx)
		for store, h := range s.Horizons {
			if incomplete {
				h.Seq = min(h.Seq, through)
				s.Horizons[store] = h
			}
		}
		return s, err
	}, r.Pages())
	if errors.Is(err, backend.ErrCompacted) {
		return fmt.Errorf("%w; restore through that seq or a later one, or use --incomplete to restore the facts that are left", err)
	}
	if err != nil {
		return err
	}
	if n < through {
		checkpoints = nil // a backup does not have the hashes of pruned facts
	}
	found, err := file.Verify(ctx, path, checkpoints...)
	if err == nil && (len(found.Damage) > 0 || found.Facts != n) {
		err = fmt.Errorf("%w: the new log does not hold what was written to it; look at the disk: %v", backend.ErrCorrupt, found.Damage)
	}
	for _, c := range found.Checkpoints {
		if err == nil && !c.Holds {
			err = fmt.Errorf("%w: the new log differs from the log that was backed up, whose checkpoint was %q: %s", backend.ErrCorrupt, c.Checkpoint, c.Reason)
		}
	}
	if err != nil {
		return err
	}
	if len(found.Doubled) > 0 {
		fmt.Fprintf(a.err, "igniter: the backup holds %d IDs more than once; igniter verify %s lists them\n", len(found.Doubled), path)
	}
	return a.print(restoreReport{n, through, n, path}, "restored and verified %d facts through seq %d in %s\n", n, through, path)
}
