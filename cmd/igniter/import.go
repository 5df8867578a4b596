package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/file/ruby"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) importCommand() *cobra.Command {
	var wal string
	skip := false
	cmd := a.forPrograms(&cobra.Command{
		Use:   "import [FILE|-]",
		Short: "Take in facts from NDJSON, or from a log of the Ruby system",
		Long: `Takes in facts from a file, or from the input: a fact a line, as igniter export writes them. IDs, values, times,
hashes and causations are kept; seqs are given anew. A fact that the log holds already (by ID) is left as it is, so that
an import that broke off is just run again.

With --ruby-wal it takes in a log of the Ruby system and the snapshot beside it (FILE.snap).`,
		Example: `  igniter import facts.ndjson --path ./log
  zstd -dc tasks.ndjson.zst | igniter import --address 127.0.0.1:7400
  igniter import --ruby-wal /srv/app/data/facts.wal --path ./log`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			switch {
			case wal != "" && len(given) > 0:
				return usage("--ruby-wal names what is imported: leave %q out", given[0])
			case wal == "" && skip:
				return usage("--skip-damage is for --ruby-wal")
			case wal != "":
				return a.importRuby(cmd.Context(), wal, skip)
			}
			return a.importLines(cmd.Context(), append(given, "-")[0])
		},
	})
	cmd.Flags().StringVar(&wal, "ruby-wal", "", "log of the Ruby system to import")
	cmd.Flags().BoolVar(&skip, "skip-damage", false, "leave out what is damaged in it, and say so")
	return a.where(cmd)
}

// An importReport says what an import did.
type importReport struct {
	New     uint64     `json:"new"`
	Known   uint64     `json:"known"`
	Foreign uint64     `json:"foreign_hashes,omitempty"` // facts with hashes that are not those of their values
	Cuts    []file.Cut `json:"cuts,omitempty"`
}

func (a *app) printImport(r importReport) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(r)
	}
	for _, c := range r.Cuts {
		fmt.Fprintf(a.err, "igniter: left out %d bytes of %s at byte %d: %s\n", c.Bytes, c.File, c.Offset, c.Reason)
	}
	if r.Foreign > 0 {
		fmt.Fprintf(a.err, "igniter: %d facts have hashes that are not those of their values, made by another writer or by a change to the file; "+
			"they are kept, and igniter verify --hashes lists them\n", r.Foreign)
	}
	_, err := fmt.Fprintf(a.out, "%d facts written, %d were there already\n", r.New, r.Known)
	return err
}

func (a *app) importLines(ctx context.Context, path string) error {
	in, size := a.in, int64(-1)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
	}
	return a.withNewLog(ctx, func(log backend.Log) error {
		i, err := newImporter(ctx, log)
		if err != nil {
			return err
		}
		bar := a.progress(size, "importing", true)
		line, err := i.lines(ctx, io.TeeReader(in, bar))
		_ = bar.Finish() // a bar that can't be shown stops nothing
		if errors.Is(err, context.Canceled) {
			fmt.Fprintf(a.err, "igniter: %d facts written, %d were there already; run the import again to go on: no fact is written twice\n", i.New, i.Known)
		}
		if err != nil {
			return fmt.Errorf("import %s, at line %d, with %d facts written and %d there already: %w; mend it and run the import again: no fact is written twice",
				cmp.Or(path, "-"), line, i.New, i.Known, err)
		}
		return a.printImport(importReport{New: i.New, Known: i.Known, Foreign: i.Foreign})
	})
}

// lines takes in facts, one a line. With an error it returns the line, or the last one of the facts that could not be
// written.
func (i *importer) lines(ctx context.Context, in io.Reader) (line int, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), wire.MaxMaxFrame+1024)
	for lines.Scan() {
		line++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		f, err := wire.CheckFact(bytes.Clone(text))
		if err == nil {
			err = f.Validate()
		}
		if err == nil {
			err = i.hash(&f)
		}
		if err == nil {
			err = i.add(ctx, f)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return line, err
		}
	}
	if err := lines.Err(); err != nil {
		return line + 1, err
	}
	return line, i.flush(ctx)
}

// hash gives a fact its value's hash. One that it has already is kept, and counted where it is another.
func (i *importer) hash(f *backend.Fact) error {
	sum, err := wire.Hash(f.Value)
	switch {
	case err != nil:
		return err
	case f.ValueHash == "":
		f.ValueHash = sum
	case f.ValueHash != sum:
		i.Foreign++
	}
	return nil
}

func (a *app) importRuby(ctx context.Context, path string, skip bool) error {
	if _, err := os.Stat(path); err != nil { // before a log is made for it
		return err
	}
	return a.withNewLog(ctx, func(log backend.Log) error {
		bar := a.progress(-1, "importing", false)
		r, err := ruby.Import(ctx, log, path, ruby.Options{SkipDamage: skip, Progress: func(facts, total uint64) {
			bar.ChangeMax64(int64(total))
			_ = bar.Set64(int64(facts)) // a bar that can't be shown stops nothing
		}})
		_ = bar.Finish()
		if c, ok := errors.AsType[*backend.CorruptError](err); ok && strings.HasPrefix(c.Path, path) {
			return advisedError{err, "Import a sound copy of it, if there is one; --skip-damage imports the rest, and says what it leaves out."}
		}
		if err != nil {
			return err
		}
		return a.printImport(importReport{New: r.New, Known: r.Facts - r.New, Cuts: r.Cuts})
	})
}
