package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/cmd/igniter/internal/archive"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) backupCommand() *cobra.Command {
	after := uint64(0)
	cmd := a.forPrograms(&cobra.Command{
		Use:   "backup DIR|-",
		Short: "Copy a log while it is in use",
		Long: `Copies what the log holds at this moment, consistently, while others write. To a directory it adds what is new since
the backup before (incremental by seq), as a file that is there whole or not at all; to the output, "-", it writes one
piece, of all or of what is after a seq. Facts are kept with their seqs, so that after igniter restore readers go on
where they were.

What igniter prune removes from a log stays in the backups made before: begin a new directory then.`,
		Example: `  igniter backup /backup/igniter --address 127.0.0.1:7400
  igniter backup - --path ./log | ssh elsewhere 'cat > log.backup'
  igniter backup - --after 51233 --path ./log > later.backup`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			switch {
			case given[0] == "-" && isTerminal(a.out):
				return usage("a backup is no text for a terminal: name a directory, or send the output to a file")
			case given[0] != "-" && cmd.Flags().Changed("after"):
				return usage("--after is for a backup to the output; to a directory, what is there says it")
			}
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				if log.Features().Stores != nil {
					return errors.New(`a backup is of all stores: use a token that may read them (read: ["*"])`)
				}
				stats, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				c := &copier{app: a, log: log, stats: stats, bar: a.progress(int64(stats.Facts), "backing up", false)}
				defer c.bar.Finish()
				if given[0] == "-" {
					return c.toOutput(cmd.Context(), after)
				}
				return c.toDir(cmd.Context(), given[0])
			})
		},
	})
	cmd.Flags().Uint64Var(&after, "after", 0, "only facts after that seq, to the output")
	return a.where(cmd)
}

// A copier copies a log as it was when stats were taken.
type copier struct {
	app   *app
	log   backend.Log
	stats backend.Stats
	bar   *progressbar.ProgressBar
}

// frames yields the log after a seq, through the last seq that stats tell.
func (c *copier) frames(ctx context.Context, after uint64) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		if after == c.stats.LastSeq {
			return
		}
		r := backend.Range{After: backend.Cursor{Log: c.stats.Log, Seq: after}, Through: c.stats.LastSeq}
		for page, err := range wire.FramerOf(c.log).ReplayFrames(ctx, r) {
			_ = c.bar.Add(page.Facts) // a bar that can't be shown stops nothing
			if !yield(page, err) {
				return
			}
		}
	}
}

// A backupReport says what a backup did.
type backupReport struct {
	Piece   string `json:"piece,omitempty"`
	After   uint64 `json:"after"`
	Through uint64 `json:"through"`
	Facts   uint64 `json:"facts"`
	Bytes   int64  `json:"bytes"`
}

func (c *copier) toOutput(ctx context.Context, after uint64) error {
	if after > c.stats.LastSeq {
		return fmt.Errorf("the log ends at seq %d, before %d: it is not the log that the earlier backup is of, or has lost facts since", c.stats.LastSeq, after)
	}
	return c.app.writeTo("-", func(w io.Writer) error {
		sum, err := archive.Write(w, after, c.stats.LastSeq, archive.Summary{}, c.frames(ctx, after))
		if err == nil {
			fmt.Fprintf(c.app.err, "igniter: backed up %d facts, after seq %d through %d\n", sum.Facts, after, c.stats.LastSeq)
		}
		return err
	})
}

func (c *copier) toDir(ctx context.Context, path string) (err error) {
	d, err := archive.OpenDir(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	pieces, err := d.Pieces()
	if err != nil {
		return err
	}
	var previous archive.Summary
	r := backupReport{Through: c.stats.LastSeq}
	if n := len(pieces); n > 0 {
		last := pieces[n-1]
		if previous, err = last.Check(); err != nil {
			return fmt.Errorf("the latest piece is damaged; move it away, and run this again to make it anew: %w", err)
		}
		r.After = last.Through
		if err := c.continues(ctx, path, r.After, previous.LastID); err != nil {
			return err
		}
		if r.After == r.Through {
			return c.report(r)
		}
	}
	var sum archive.Summary
	r.Piece, sum, err = d.Add(ctx, r.After, r.Through, previous, c.frames(ctx, r.After))
	if err != nil {
		return err
	}
	r.Facts, r.Bytes = sum.Facts, archive.Size(r.Piece)
	return c.report(r)
}

// continues reports whether the log is the one that was backed up through a seq.
func (c *copier) continues(ctx context.Context, path string, through uint64, id string) error {
	if c.stats.LastSeq < through {
		return fmt.Errorf("%s is a backup through seq %d, and the log ends at seq %d: it is another log, or has lost facts; back it up to a directory of its own", path, through, c.stats.LastSeq)
	}
	if through == 0 {
		return nil
	}
	r := backend.Range{After: backend.Cursor{Seq: through - 1}, Through: through}
	for f, err := range backend.Facts(c.log.Replay(ctx, r)) {
		if err != nil {
			return err
		}
		if f.ID != id {
			return fmt.Errorf("%s is a backup of another log: its fact with seq %d is %s, the log's is %s; back this one up to a directory of its own", path, through, id, f.ID)
		}
	}
	return nil
}

func (c *copier) report(r backupReport) error {
	_ = c.bar.Finish() // a bar that can't be shown stops nothing
	switch {
	case c.app.json:
		return json.NewEncoder(c.app.out).Encode(r)
	case r.Piece == "":
		_, err := fmt.Fprintf(c.app.out, "nothing new since seq %d\n", r.After)
		return err
	}
	_, err := fmt.Fprintf(c.app.out, "backed up %d facts, after seq %d through %d, to %s (%s)\n", r.Facts, r.After, r.Through, r.Piece, humanize.IBytes(uint64(r.Bytes)))
	return err
}
