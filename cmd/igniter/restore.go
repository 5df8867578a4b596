package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/cmd/igniter/internal/archive"
)

func (a *app) restoreCommand() *cobra.Command {
	through, checkOnly := uint64(0), false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "restore DIR|FILE...|-",
		Short: "Make a log of a backup",
		Long: `Makes a log of a backup: of a directory, of pieces in files, or of one piece from the input ("-"). All of it is
checked while it is read, and the new log once more when it is there; where anything is wrong there is no new log.

To a directory (--path, which must hold no log) facts keep their seqs. To a server they are written like those of
igniter import: what is there already stays, and seqs are given anew.`,
		Example: `  igniter restore /backup/igniter --path /var/lib/igniter/log
  igniter restore /backup/igniter --check
  igniter restore log.backup later.backup --path ./log --through 60000   # as it was then`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			r := &restorer{app: a, through: through}
			if err := r.find(given); err != nil {
				return err
			}
			defer r.close()
			if checkOnly {
				return r.check()
			}
			name, config, err := a.place("")
			if err != nil {
				return err
			}
			if name == "file" {
				return r.toDir(cmd.Context(), config.Path)
			}
			return r.toLog(cmd.Context())
		},
	})
	cmd.Flags().Uint64Var(&through, "through", 0, "leave out what is after that seq; 0: nothing")
	cmd.Flags().BoolVar(&checkOnly, "check", false, "read and check the backup, and make no log")
	return a.where(cmd)
}

// A restorer reads a backup.
type restorer struct {
	app     *app
	through uint64
	last    uint64          // the last seq of the backup
	pieces  []archive.Piece // nil: there is a stream
	stream  *archive.Reader
	count   uint64
}

func (r *restorer) find(given []string) (err error) {
	if len(given) == 1 && given[0] == "-" {
		if r.stream, err = archive.NewReader(r.app.in, "the input"); err != nil {
			return err
		}
		if r.stream.Header.After > 0 {
			return fmt.Errorf("the input begins after seq %d: give this piece and those before it as files", r.stream.Header.After)
		}
		r.last = r.stream.Header.Through
	} else {
		if r.pieces, err = archive.Find(given...); err != nil {
			return err
		}
		if len(r.pieces) == 0 {
			return fmt.Errorf("there is no backup in %v: igniter backup makes one", given)
		}
		r.last = r.pieces[len(r.pieces)-1].Through
	}
	if r.through > r.last {
		return fmt.Errorf("--through %d: the backup ends at seq %d", r.through, r.last)
	}
	return nil
}

func (r *restorer) close() {
	if r.stream != nil {
		r.stream.Close()
	}
}

// pages yields the facts of the backup, and reads it to its end, so that all of it is checked.
func (r *restorer) pages() iter.Seq2[backend.Page, error] {
	all := archive.Pages(r.pieces)
	if r.stream != nil {
		all = r.stream.Pages()
	}
	return func(yield func(backend.Page, error) bool) {
		for p, err := range all {
			for i := range p.Facts {
				if r.through > 0 && p.Facts[i].Seq > r.through {
					p.Facts = p.Facts[:i]
					break
				}
			}
			p.Through.Seq = min(p.Through.Seq, r.end())
			r.count += uint64(len(p.Facts))
			if !yield(p, err) {
				return
			}
		}
	}
}

// A restoreReport says what was restored.
type restoreReport struct {
	Facts   uint64 `json:"facts"`
	LastSeq uint64 `json:"last_seq"`
	New     uint64 `json:"new"`
	To      string `json:"to,omitempty"`
}

func (r *restorer) check() error {
	for _, err := range r.pages() {
		if err != nil {
			return err
		}
	}
	return r.report(restoreReport{Facts: r.count, LastSeq: r.end()}, "the backup is whole: %d facts through seq %d\n", r.count, r.end())
}

func (r *restorer) end() uint64 {
	if r.through > 0 {
		return r.through
	}
	return r.last
}

func (r *restorer) toDir(ctx context.Context, path string) error {
	log, err := r.app.logger("warn")
	if err != nil {
		return err
	}
	n, err := file.Restore(ctx, file.Options{Path: path, Logger: log}, r.pages())
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
	return r.report(restoreReport{n, r.end(), n, path}, "restored and verified %d facts through seq %d in %s\n", n, r.end(), path)
}

func (r *restorer) toLog(ctx context.Context) error {
	return r.app.withNewLog(ctx, func(log backend.Log) error {
		i, err := newImporter(ctx, log)
		if err != nil {
			return err
		}
		for f, err := range backend.Facts(r.pages()) {
			if err == nil {
				err = i.add(ctx, f)
			}
			if err != nil {
				return fmt.Errorf("restore, with %d facts written: %w; run it again: no fact is written twice", i.New, err)
			}
		}
		if err := i.flush(ctx); err != nil {
			return err
		}
		return r.report(restoreReport{Facts: r.count, LastSeq: i.last, New: i.New}, "%d facts written, %d were there already; seqs are new, readers begin anew\n", i.New, i.Known)
	})
}

func (r *restorer) report(report restoreReport, format string, args ...any) error {
	if r.app.json {
		return json.NewEncoder(r.app.out).Encode(report)
	}
	_, err := fmt.Fprintf(r.app.out, format, args...)
	return err
}
