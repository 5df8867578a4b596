// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/file/ruby"
	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
	"github.com/igniter-store/igniter/internal/plaintext"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) importCommand() *cobra.Command {
	var wal string
	skip := false
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "import [FILE|-]",
		Short: "Import facts from NDJSON, or from a log of the Ruby system",
		Long: `Imports facts from a file or from the input, one a line, as igniter export writes them. They keep their IDs, values,
times, hashes and causations, and get new seqs. A fact whose ID the log already holds is skipped: if an import fails, run
it again.

With --ruby-wal it imports a log of the Ruby system and the snapshot beside it (FILE.snap).`,
		Example: `  igniter import facts.ndjson --path ./log
  zstd -dc tasks.ndjson.zst | igniter import --address 127.0.0.1:7400
  igniter import --ruby-wal /srv/app/data/facts.wal --path ./log`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			switch {
			case wal != "" && len(given) > 0:
				return usage("--ruby-wal already names the file to import: leave %q out", given[0])
			case wal == "" && skip:
				return usage("--skip-damage is for --ruby-wal")
			case wal != "":
				return a.importRuby(cmd.Context(), wal, skip)
			}
			return a.importLines(cmd.Context(), append(given, "-")[0])
		},
	}))
	cmd.Flags().StringVar(&wal, "ruby-wal", "", "log of the Ruby system to import")
	cmd.Flags().BoolVar(&skip, "skip-damage", false, "with --ruby-wal: skip damaged parts of the log, and report them")
	settings.Add(cmd.Flags(), settings.MaxSkew)
	return cmd
}

// notAhead yields facts, with an error in place of a fact whose transaction time is too far ahead of the clock.
func notAhead(facts iter.Seq2[backend.Fact, error], skew time.Duration) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range facts {
			if err == nil && time.Until(f.TransactionTime) > skew {
				f, err = backend.Fact{}, fmt.Errorf("fact %q: %w", f.ID, &backend.InvalidError{Field: "transaction_time", Reason: fmt.Sprintf(
					"%s is more than %v ahead of the clock, and later facts would get times after it; --max-skew allows more", f.TransactionTime.Format(time.RFC3339), skew)})
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

// An importReport says what an import did.
type importReport struct {
	New     uint64     `json:"new"`
	Known   uint64     `json:"known"`
	Foreign uint64     `json:"foreign_hashes,omitempty"` // facts whose hashes do not match their values
	Cuts    []file.Cut `json:"cuts,omitempty"`
}

// importLines imports facts, one a line.
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
	bar := a.progress(size, "importing", true)
	l := lines{in: io.TeeReader(in, bar)}
	i, err := a.importFacts(ctx, bar, func() string { return fmt.Sprintf("import %s, at line %d", path, l.line) }, notAhead(l.facts, a.values.Duration("max_skew")))
	if err != nil {
		return err
	}
	return a.printImport(importReport{New: i.New, Known: i.Known, Foreign: l.foreign})
}

// lines reads facts, one a line.
type lines struct {
	in      io.Reader
	line    int    // how many lines were read
	foreign uint64 // how many facts have a hash that is not the hash of their value
}

// facts yields valid facts with hashes.
func (l *lines) facts(yield func(backend.Fact, error) bool) {
	scanner := bufio.NewScanner(l.in)
	scanner.Buffer(make([]byte, 0, 64<<10), wire.MaxMaxFrame+1024)
	for scanner.Scan() {
		l.line++
		text := scanner.Bytes()
		if l.line == 1 {
			var err error
			if text, err = plaintext.UTF8(text); err != nil {
				yield(backend.Fact{}, err)
				return
			}
		}
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			continue
		}
		if f, err := l.parse(bytes.Clone(text)); !yield(f, err) || err != nil {
			return
		}
	}
	if err := scanner.Err(); err != nil {
		l.line++
		yield(backend.Fact{}, err)
	}
}

func (l *lines) parse(text []byte) (backend.Fact, error) {
	f, err := query.ParseFact(text)
	if err == nil {
		err = f.Validate()
	}
	if err != nil {
		return f, err
	}
	hash, err := wire.Hash(f.Value)
	if f.ValueHash == "" {
		f.ValueHash = hash
	} else if f.ValueHash != hash {
		l.foreign++
	}
	return f, err
}

// importRuby imports a log of the Ruby system.
func (a *app) importRuby(ctx context.Context, path string, skip bool) (err error) {
	l, err := ruby.Open(ctx, path, ruby.Options{SkipDamage: skip})
	if _, ok := errors.AsType[*backend.CorruptError](err); ok {
		return commandError{err, 1, "Import an undamaged copy, if there is one; --skip-damage imports the rest, and reports what it skips."}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	bar := a.progress(int64(l.Len()), "importing", false)
	i, err := a.importFacts(ctx, bar, func() string { return "import " + path }, counted(notAhead(l.Facts(), a.values.Duration("max_skew")), bar))
	if err != nil {
		return err
	}
	return a.printImport(importReport{New: i.New, Known: i.Known, Cuts: l.Cuts()})
}

func (a *app) printImport(r importReport) error {
	if !a.json {
		for _, c := range r.Cuts {
			fmt.Fprintf(a.err, "igniter: skipped %d bytes of %s at byte %d: %s\n", c.Bytes, c.File, c.Offset, c.Reason)
		}
		if r.Foreign > 0 {
			fmt.Fprintf(a.err, "igniter: %d facts have hashes that do not match their values, because another writer made them or the file was changed; "+
				"they are kept, and igniter verify --hashes lists them\n", r.Foreign)
		}
	}
	return a.print(r, "%d facts written, %d were there already\n", r.New, r.Known)
}
