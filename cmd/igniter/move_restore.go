package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/cmd/igniter/internal/archive"
)

func (a *app) restoreCommand() *cobra.Command {
	through, checkOnly := uint64(0), false
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "restore DIR|FILE...|-",
		Short: "Make a log from a backup",
		Long: `Makes a log from a backup: from a directory, from pieces in files, or from one piece in the input ("-"). It checks all of
the backup while it reads it, and the new log once more at the end. If anything is wrong, there is no new log.

In a directory (--path, which must hold no log) facts keep their seqs, and the new log knows which log it was made of:
readers that have not read beyond the last seq restored go on, and others are told so ("diverged"). On a server they are written as by
igniter import: facts that are there stay, and seqs are new.`,
		Example: `  igniter restore /backup/igniter --path /var/lib/igniter/log
  igniter restore /backup/igniter --check
  igniter restore log.backup later.backup --path ./log --through 60000   # as it was then`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			pieces, err := archive.Find(a.in, given...)
			if err != nil {
				return err
			}
			if len(pieces) == 0 {
				return fmt.Errorf("there is no backup in %v: igniter backup makes one", given)
			}
			last := pieces[len(pieces)-1].Through
			if through > last {
				return fmt.Errorf("--through %d: the backup ends at seq %d", through, last)
			}
			if through == 0 {
				through = last
			}
			pages := archive.Pages(pieces, through)
			if checkOnly {
				return a.checkBackup(pages, through)
			}
			name, err := a.backend()
			if err != nil {
				return err
			}
			if name == "file" {
				return a.restoreDir(cmd.Context(), archive.Past(pieces, through), pages, through)
			}
			bar := a.progress(-1, "restoring", false)
			i, err := a.importFacts(cmd.Context(), bar, func() string { return "restore" }, counted(backend.Facts(pages), bar))
			if err != nil {
				return err
			}
			return a.print(restoreReport{Facts: i.New + i.Known, LastSeq: i.last, New: i.New},
				"%d facts written, %d were there already; seqs are new, and readers must start again\n", i.New, i.Known)
		},
	}))
	cmd.Flags().Uint64Var(&through, "through", 0, "the last seq to restore; 0: all")
	cmd.Flags().BoolVar(&checkOnly, "check", false, "read and check the backup, and make no log")
	return cmd
}

// A restoreReport says what was restored.
type restoreReport struct {
	Facts   uint64 `json:"facts"`
	LastSeq uint64 `json:"last_seq"`
	New     uint64 `json:"new"`
	To      string `json:"to,omitempty"`
}

func (a *app) checkBackup(pages iter.Seq2[backend.Page, error], through uint64) error {
	r := restoreReport{LastSeq: through}
	for p, err := range pages {
		if err != nil {
			return err
		}
		r.Facts += uint64(len(p.Facts))
	}
	return a.print(r, "the backup is whole: %d facts through seq %d\n", r.Facts, through)
}

func (a *app) restoreDir(ctx context.Context, past []backend.Ancestor, pages iter.Seq2[backend.Page, error], through uint64) error {
	logger, err := a.logger("warn")
	if err != nil {
		return err
	}
	path := a.values.String("path")
	n, err := file.Restore(ctx, file.Options{Path: path, Logger: logger}, past, pages)
	if err != nil {
		return err
	}
	found, err := file.Verify(ctx, path)
	if err == nil && (len(found.Damage) > 0 || found.Facts != n) {
		err = fmt.Errorf("%w: the new log does not hold what was written to it; look at the disk: %v", backend.ErrCorrupt, found.Damage)
	}
	if err != nil {
		return err
	}
	if len(found.Doubled) > 0 {
		fmt.Fprintf(a.err, "igniter: the backup holds %d IDs more than once; igniter verify %s lists them\n", len(found.Doubled), path)
	}
	return a.print(restoreReport{n, through, n, path}, "restored and verified %d facts through seq %d in %s\n", n, through, path)
}
