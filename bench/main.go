// SPDX-License-Identifier: Apache-2.0

// The bench program measures this project and its peers side by side: the same work on the same machine in the same
// run, in turns.
//
//	go run . -quick     # two minutes: shorter turns, a tenth of the records
//	go run .            # under thirty
//
// It writes tables, charts and raw results to docs/benchmarks.md, docs/img and docs/benchmarks.json. With -rows only
// the rows that match a pattern are measured; their figures go to standard output, and no file is written unless -merge is given.
//
// The module is not in the workspace, since its peers have many dependencies. It runs on Linux.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	if beServer() {
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// How long and how often the program measures.
const (
	fullTurns, quickTurns = 3, 2
	fullSpan, quickSpan   = 1200 * time.Millisecond, 60 * time.Millisecond
)

func run() error {
	quick := flag.Bool("quick", false, "measure for two minutes only")
	pattern := flag.String("rows", "", "measure only rows whose \"section: name\" matches the regular expression, and write no files")
	merge := flag.Bool("merge", false, "with -rows: replace these rows in the files")
	docs := flag.String("docs", filepath.Join("..", "docs"), "`directory` of benchmarks.md")
	tmp := flag.String("dir", os.TempDir(), "`directory` on the disk to measure")
	turns := flag.Int("turns", 0, "turns of each contender; 0: 3, or 2 if quick")
	span := flag.Duration("span", 0, "how long a turn measures; 0: as long as the run allows")
	flag.Parse()
	c := clock{turns: fullTurns, turn: turn{span: fullSpan, quick: *quick}, log: func(f string, args ...any) { fmt.Fprintf(os.Stderr, f, args...) }}
	if *quick {
		c.turns, c.turn.span = quickTurns, quickSpan
	}
	if *turns > 0 {
		c.turns = *turns
	}
	if *span > 0 {
		c.turn.span = *span
	}
	chosen, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	if c.turn.dir, err = os.MkdirTemp(*tmp, "igniter-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.turn.dir)
	if err := roomFor(c.turn.dir, 20<<30); err != nil && !*quick {
		return err
	}
	r := report{Began: time.Now(), Command: strings.Join(append([]string{"go run ."}, os.Args[1:]...), " "), Turns: c.turns, Span: c.turn.span.String(), Machine: thisMachine(c.turn.dir)}
	r.Others = others(2 * time.Second)
	for _, row := range rows(chosen) {
		r.Results = append(r.Results, c.measure(row))
	}
	r.Others = max(r.Others, others(2*time.Second))
	r.Took = time.Since(r.Began).Round(time.Second).String()
	failed := r.failures()
	switch {
	case *merge:
		some := r
		if r, err = readReport(*docs); err == nil {
			err = r.merge(&some)
		}
		if err == nil {
			err = r.write(*docs)
		}
	case *pattern != "":
		fmt.Print(r.markdown())
	default:
		err = r.write(*docs)
	}
	return errors.Join(err, failed)
}

// readReport reads the report of the last whole run.
func readReport(docs string) (r report, err error) {
	text, err := os.ReadFile(filepath.Join(docs, "benchmarks.json"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// write writes the report's files.
func (r *report) write(docs string) error {
	name := filepath.Join(docs, "benchmarks.md")
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text, err := r.insert(string(page))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	results, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	files := map[string]string{name: text, filepath.Join(docs, "benchmarks.json"): string(results) + "\n"}
	for _, section := range r.sections() {
		for shade, p := range palettes {
			files[filepath.Join(docs, "img", "bench-"+fileName(section)+"-"+shade+".svg")] = chart(section, r.in(section), p)
		}
	}
	if err := os.MkdirAll(filepath.Join(docs, "img"), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// failures returns an error that names the contenders that failed.
func (r *report) failures() error {
	var all []error
	for _, res := range r.Results {
		for _, o := range res.Outcomes {
			if o.Failed != "" {
				all = append(all, fmt.Errorf("%s: %s: %s: %s", res.Section, res.Name, o.Contender, o.Failed))
			}
		}
	}
	return errors.Join(all...)
}
