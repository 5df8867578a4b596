package main

import (
	"context"
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
	var after backend.Cursor
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "backup DIR|-",
		Short: "Copy a log while it is in use",
		Long: `Copies what the log holds at this moment, consistently, while others write. Facts keep their seqs and their batches, so
that after igniter restore readers go on where they were.

To a directory it adds a file with the facts after those that the directory holds already; the file is complete or not
there. To the output, "-", it writes one piece with all facts, or with those after a seq. A token must allow reading all
stores.

Facts that igniter prune removes from the log stay in earlier backups. To get rid of them, begin a new directory.`,
		Example: `  igniter backup /backup/igniter --address 127.0.0.1:7400
  igniter backup - --path ./log | ssh elsewhere 'cat > log.backup'
  igniter backup - --after 51233 --path ./log > later.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			switch {
			case given[0] == "-" && isTerminal(a.out):
				return usage("a backup is not text for a terminal: name a directory, or send the output to a file")
			case given[0] != "-" && cmd.Flags().Changed("after"):
				return usage("--after is for a backup to the output; a backup to a directory begins after what is there")
			}
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				if log.Features().Stores != nil {
					return errors.New(`a backup is of all stores: use a token that may read them (read: ["*"])`)
				}
				stats, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				c := &copier{log: log, stats: stats, bar: a.progress(int64(stats.Facts), "backing up", false)}
				defer c.bar.Finish()
				if given[0] == "-" {
					return a.backupToOutput(cmd.Context(), c, after)
				}
				r, err := c.toDir(cmd.Context(), given[0])
				if err != nil {
					return err
				}
				_ = c.bar.Finish()
				if r.Piece == "" {
					return a.print(r, "nothing new since seq %d\n", r.After)
				}
				return a.print(r, "backed up %d facts, after seq %d through %d, to %s (%s)\n", r.Facts, r.After, r.Through, r.Piece, humanize.IBytes(uint64(r.Bytes)))
			})
		},
	}))
	cursorVar(cmd, &after, "only facts after that seq, to the output")
	return cmd
}

// A backupReport says what a backup did.
type backupReport struct {
	Piece   string `json:"piece,omitempty"`
	After   uint64 `json:"after"`
	Through uint64 `json:"through"`
	Facts   uint64 `json:"facts"`
	Bytes   int64  `json:"bytes"`
}

func (a *app) backupToOutput(ctx context.Context, c *copier, cursor backend.Cursor) error {
	after, err := c.stats.Resume(cursor)
	if err != nil {
		return fmt.Errorf("the log, which ends at seq %d, is not the one that the earlier backup is of, or has lost facts since: %w", c.stats.LastSeq, err)
	}
	return a.writeTo("-", func(w io.Writer) error {
		sum, err := archive.Write(w, c.header(after), archive.Summary{}, c.frames(ctx, after))
		if err == nil {
			fmt.Fprintf(a.err, "igniter: backed up %d facts, after seq %d through %d\n", sum.Facts, after, c.stats.LastSeq)
		}
		return err
	})
}

// A copier copies a log as it was when stats were taken.
type copier struct {
	log   backend.Log
	stats backend.Stats
	bar   *progressbar.ProgressBar
}

// header returns what a piece with the log after a seq says.
func (c *copier) header(after uint64) archive.Header {
	return archive.Header{After: after, Through: c.stats.LastSeq, Log: c.stats.Log, Ancestors: c.stats.Ancestors}
}

// frames yields the log after a seq.
func (c *copier) frames(ctx context.Context, after uint64) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		if after == c.stats.LastSeq { // perhaps 0, which as Through means to the end
			return
		}
		r := backend.Range{After: backend.Cursor{Log: c.stats.Log, Seq: after}, Through: c.stats.LastSeq}
		for page, err := range wire.FramerOf(c.log).ReplayFrames(ctx, r) {
			_ = c.bar.Add(page.Facts)
			if !yield(page, err) {
				return
			}
		}
	}
}

// toDir adds a piece with the new facts to a directory.
func (c *copier) toDir(ctx context.Context, path string) (r backupReport, err error) {
	r.Through = c.stats.LastSeq
	d, err := archive.OpenDir(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	pieces, err := d.Pieces()
	if err != nil {
		return r, err
	}
	var sum archive.Summary
	if n := len(pieces); n > 0 {
		last := pieces[n-1]
		if sum, err = last.Check(); err != nil {
			return r, fmt.Errorf("the latest piece is damaged; move it away, and run this again to make another: %w", err)
		}
		r.After = last.Through
		if err := c.continues(ctx, path, &last, sum.LastID); err != nil || r.After == r.Through {
			return r, err
		}
	}
	r.Piece, r.Bytes, sum, err = d.Add(c.header(r.After), sum, c.frames(ctx, r.After))
	r.Facts = sum.Facts
	return r, err
}

// continues returns an error if the log is not the one that was backed up to path, last in a piece that ends with the fact
// id.
func (c *copier) continues(ctx context.Context, path string, last *archive.Piece, id string) error {
	through := last.Through
	if through == 0 {
		return nil
	}
	if _, err := c.stats.Resume(backend.Cursor{Log: last.Log, Seq: through}); err != nil {
		return fmt.Errorf("%s is a backup of another log, or this log has lost facts: back this log up to a directory of its own: %w", path, err)
	}
	found := "missing"
	if c.stats.LastSeq >= through {
		found = id // even if it was pruned since
		for f, err := range backend.Facts(c.log.Replay(ctx, backend.Range{After: backend.Cursor{Seq: through - 1}, Through: through})) {
			if err != nil {
				return err
			}
			found = f.ID
		}
	}
	if found != id {
		return fmt.Errorf("%s is a backup of another log, or this log has lost facts: the fact with seq %d is %s there, and %s here; back this log up to a directory of its own", path, through, id, found)
	}
	return nil
}
