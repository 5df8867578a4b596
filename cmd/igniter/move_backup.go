// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/cmd/igniter/internal/archive"
	"github.com/igniter-store/igniter/cmd/igniter/internal/wholefile"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) backupCommand() *cobra.Command {
	var after backend.Cursor
	var merge, list bool
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "backup DIR|-",
		Short: "Copy a log while it is in use",
		Long: `Makes a consistent copy of the log as it is now, while others write. Facts keep their seqs and their batches, so that
readers of a restored log (igniter restore) go on where they were.

With a directory, it adds one file (a piece) with the facts that the directory does not hold yet; the file is complete or
not there. With "-" it writes one piece to the output, with all facts or with the facts after a seq. A token must allow
reading all stores. igniter restore --check checks a backup.

If the log was restored to an earlier seq, or lost facts in another way, the backup begins a new line of pieces in the
directory, after the last piece that both logs have in common. The earlier pieces stay. A log that has nothing in common
with the directory is refused. igniter restore --check lists the lines.

Facts that igniter prune removes from the log stay in earlier backups. To get rid of them, begin a new directory, and
remove the old one.`,
		Example: `  igniter backup /backup/igniter --address 127.0.0.1:7400
  igniter backup /backup/igniter --list
  igniter backup /backup/igniter --merge
  igniter backup - --path ./log | ssh elsewhere 'cat > log.backup'
  igniter backup - --after 51233 --path ./log > later.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			_, toTerminal := terminal(a.out)
			switch {
			case given[0] == "-" && toTerminal:
				return usage("a backup is not text for a terminal: name a directory, or send the output to a file")
			case given[0] != "-" && cmd.Flags().Changed("after"):
				return usage("--after is for a backup to the output; a backup to a directory begins after its last piece")
			}
			if list {
				return a.listBackup(given[0])
			}
			if given[0] != "-" {
				piece := filepath.Join(given[0], "piece")
				if err := a.outsideLog("the backup", piece); err != nil {
					return err
				}
				a.warnOwner(piece, a.say)
			}
			if merge {
				return a.mergeBackup(given[0])
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
				if err := wholefile.Durable(given[0]); err != nil {
					fmt.Fprintf(a.err, "igniter: the file system of %s cannot sync directories: a crash of the machine can lose pieces of the backup (%v)\n", given[0], err)
				}
				noteBackup(cmd.Context(), log, max(r.Through, r.After))
				if r.Piece == "" {
					return a.print(r, "nothing new since seq %d\n", r.After)
				}
				if r.Line > 1 && !a.json {
					fmt.Fprintf(a.err, "igniter: the log lacks facts that %s holds: this is line %d of the backup\n", given[0], r.Line)
				}
				return a.print(r, "backed up %d facts, after seq %d through %d, to %s (%s)\n", r.Facts, r.After, r.Through, r.Piece, humanize.IBytes(uint64(r.Bytes)))
			})
		},
	}))
	cursorVar(cmd, &after, "with -: only facts after this seq")
	cmd.Flags().BoolVar(&list, "list", false, "back up nothing, and show the files in DIR")
	cmd.Flags().BoolVar(&merge, "merge", false, "back up nothing, and merge the small files in DIR into a few large ones")
	cmd.MarkFlagsMutuallyExclusive("list", "merge")
	return cmd
}

// A pieceReport says what a file of a backup is.
type pieceReport struct {
	Line    int           `json:"line"`
	After   uint64        `json:"after"`
	Through uint64        `json:"through"`
	Created string        `json:"created"`
	Bytes   int64         `json:"bytes"`
	Log     backend.LogID `json:"log,omitzero"`
	Path    string        `json:"path"`
}

// listBackup shows the files of a backup, without checking what they hold: the newest line first.
func (a *app) listBackup(path string) error {
	if path == "-" {
		return usage("--list is for a backup in a directory")
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	lines, err := archive.Find(nil, path)
	if err != nil {
		return err
	}
	l := a.newListing("LINE", "AFTER", "THROUGH", "CREATED", "SIZE", "FILE")
	for _, line := range lines {
		for _, p := range line.Pieces {
			info, err := os.Stat(p.Path)
			if err != nil {
				return err
			}
			created, _ := wire.ParseTime(p.CreatedAt) // zero, which is shown as -
			r := pieceReport{line.Number, p.After, p.Through, clock(created), info.Size(), p.Log, p.Path}
			if err := l.add(r, r.Line, r.After, r.Through, r.Created, humanize.IBytes(uint64(r.Bytes)), r.Path); err != nil {
				return err
			}
		}
	}
	return l.end()
}

// noteBackup tells the log's server, if it has one, that the log was backed up through a seq. Errors are ignored, since
// they do not harm the backup.
func noteBackup(ctx context.Context, log backend.Log, through uint64) {
	if server, ok := log.(interface {
		NoteBackup(ctx context.Context, through uint64) error
	}); ok {
		_ = server.NoteBackup(ctx, through)
	}
}

// mergeBackup merges the small pieces in a directory.
func (a *app) mergeBackup(path string) error {
	if path == "-" {
		return usage("--merge is for a backup in a directory")
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	d, err := archive.OpenDir(path)
	if err != nil {
		return err
	}
	replaced, by, err := d.Merge()
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	return a.print(map[string]int{"replaced": replaced, "by": by}, "replaced %d pieces by %d\n", replaced, by)
}

// A backupReport says what a backup did.
type backupReport struct {
	Piece   string `json:"piece,omitempty"`
	Line    int    `json:"line"`
	After   uint64 `json:"after"`
	Through uint64 `json:"through"`
	Facts   uint64 `json:"facts"`
	Bytes   int64  `json:"bytes"`
}

func (a *app) backupToOutput(ctx context.Context, c *copier, cursor backend.Cursor) error {
	after, err := c.stats.Resume(cursor)
	if err != nil {
		return fmt.Errorf("the log, which ends at seq %d, is not the log of the earlier backup, or has lost facts since: %w", c.stats.LastSeq, err)
	}
	var sum archive.Summary
	err = a.writeTo("-", func(w io.Writer) (err error) {
		sum, err = archive.Write(w, c.header(after), archive.Summary{}, c.frames(ctx, after), func() (map[string]backend.Horizon, error) {
			all, err := c.horizons(ctx)
			if err == nil && beyond(all, c.stats.LastSeq) {
				err = errors.New("facts were pruned meanwhile, and the facts that replace them came too late for this backup: run it again")
			}
			return all, err
		})
		return err
	})
	if err == nil {
		noteBackup(ctx, c.log, c.stats.LastSeq)
		fmt.Fprintf(a.err, "igniter: backed up %d facts, after seq %d through %d\n", sum.Facts, after, c.stats.LastSeq)
	}
	return err
}

// A copier copies a log as it was when stats were taken.
type copier struct {
	log   backend.Log
	stats backend.Stats
	bar   *progressbar.ProgressBar
}

// header returns the header of a piece with the log after a seq.
func (c *copier) header(after uint64) archive.Header {
	h := archive.Header{After: after, Through: c.stats.LastSeq, Log: c.stats.Log, Ancestors: c.stats.Ancestors}
	if p, ok := c.stats.Checkpoint(); ok {
		h.Checkpoint = p.String()
	}
	return h
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

// horizons asks the log for its horizons.
func (c *copier) horizons(ctx context.Context) (map[string]backend.Horizon, error) {
	s, err := c.log.Stats(ctx)
	return s.Horizons, err
}

// beyond reports whether a log that ends at a seq lacks pruned facts whose replacements come only later.
func beyond(horizons map[string]backend.Horizon, last uint64) bool {
	s := backend.Stats{Horizons: horizons}
	return s.Whole(last, nil) != nil
}

// toDir adds a piece with the new facts to a directory. While pruned facts have replacements only after the last piece,
// it adds another one.
func (c *copier) toDir(ctx context.Context, path string) (r backupReport, err error) {
	r.Through = c.stats.LastSeq
	d, err := archive.OpenDir(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	last, line, err := c.after(ctx, d, path)
	if err != nil {
		return r, err
	}
	sum := archive.Summary{}
	if last != nil {
		r.After, sum = last.Through, last.Summary
	}
	r.Line = line + 1
	if last != nil && last.Line == line && r.After == r.Through {
		return r, nil
	}
	for after := r.After; ; {
		h := c.header(after)
		h.Line = line
		p, size, err := d.Add(h, sum, c.frames(ctx, after), func() (map[string]backend.Horizon, error) { return c.horizons(ctx) })
		if err != nil {
			return r, err
		}
		r.Piece, r.Through, r.Facts, r.Bytes, sum = p.Path, p.Through, r.Facts+p.Facts, r.Bytes+size, p.Summary
		if !beyond(sum.Horizons, p.Through) {
			return r, nil
		}
		after = p.Through
		if c.stats, err = c.log.Stats(ctx); err != nil {
			return r, err
		}
	}
}

// after returns the piece after which the log goes on, nil if none exists, and the line that the next piece continues
// or begins.
func (c *copier) after(ctx context.Context, d *archive.Dir, path string) (*archive.Piece, int, error) {
	ends, err := d.Latest()
	if err != nil || len(ends) == 0 {
		return nil, 0, err
	}
	related, line := false, 0
	for i := range ends {
		e := &ends[i]
		same, _, err := c.continues(ctx, e)
		if err != nil {
			return nil, 0, err
		}
		if same {
			return &e.Piece, e.Line, nil
		}
		related, line = related || c.related(e), max(line, e.Line+1)
	}
	if !related {
		return nil, 0, fmt.Errorf("%s is a backup of another log: back this log up to a directory of its own", path)
	}
	lines, err := d.Lines()
	if err != nil {
		return nil, 0, err
	}
	var best *archive.Piece
	for _, l := range lines {
		for i := len(l.Pieces) - 1; i >= 0 && (best == nil || l.Pieces[i].Through > best.Through); i-- {
			e, err := l.Pieces[i].Load()
			if err != nil {
				return nil, 0, err
			}
			same, compared, err := c.continues(ctx, &e)
			if err != nil {
				return nil, 0, err
			}
			// If both have the same identity but different pasts, only comparing facts shows what they have in common.
			if same && (compared || e.Log != c.stats.Log) {
				best = &e.Piece
			}
		}
	}
	return best, line, nil
}

// related reports whether the log and the log of a piece are the same, or have an ancestor in common.
func (c *copier) related(e *archive.End) bool {
	ours := append([]backend.Ancestor{{Log: c.stats.Log}}, c.stats.Ancestors...)
	for _, a := range append([]backend.Ancestor{{Log: e.Log}}, e.Ancestors...) {
		if a.Log != (backend.LogID{}) && slices.ContainsFunc(ours, func(o backend.Ancestor) bool { return o.Log == a.Log }) {
			return true
		}
	}
	return false
}

// continues reports whether the log goes on from a piece: both have the same identity, and the log has no other facts
// at the end of the piece. compared reports whether the log has some of the piece's last facts; if an identity is
// missing, it must have some.
func (c *copier) continues(ctx context.Context, e *archive.End) (same, compared bool, err error) {
	if e.Through == 0 {
		return e.Log == (backend.LogID{}) || c.related(e), false, nil
	}
	if _, err := c.stats.Resume(backend.Cursor{Log: e.Log, Seq: e.Through}); err != nil {
		return false, false, nil // a *backend.DivergedError
	}
	if len(e.Facts) > 0 {
		ids := make(map[uint64]string, len(e.Facts))
		for _, f := range e.Facts {
			ids[f.Seq] = f.ID
		}
		r := backend.Range{After: backend.Cursor{Seq: e.Facts[0].Seq - 1}, Through: e.Through}
		for f, err := range backend.Facts(c.log.Replay(ctx, r)) {
			if err != nil {
				return false, false, err
			}
			if ids[f.Seq] != f.ID {
				return false, true, nil
			}
			compared = true
		}
	}
	named := e.Log != (backend.LogID{}) && c.stats.Log != (backend.LogID{})
	return named || compared, compared, nil
}
