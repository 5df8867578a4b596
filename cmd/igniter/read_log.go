package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
)

func (a *app) logCommand() *cobra.Command {
	var r backend.Range
	var given filterFlags
	var since, until time.Time
	var reverse bool
	var limit uint
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "log [STORE [KEY]]",
		Short: "Show what was written, when and by whom",
		Long: `Shows the facts of the log, of a store or of a key, in the order in which they were written, one a line: seq, transaction
time, key, producer and value. --since and --until choose by transaction time, --after and --through by seq, --where by fields of
the value, --producer by who wrote it. A KEY that ends with * stands for all keys that begin so. With --reverse the latest
fact comes first, and --limit then shows the latest ones without reading the whole log.

igniter why SEQ shows what led to a fact and what followed from it, igniter follow goes on with what is written next.`,
		Example: `  igniter log --since 1h --address 127.0.0.1:7400        # what changed in the last hour
  igniter log tasks milk --path ./log                     # every change of a key
  igniter log orders --where state=paid --producer ana --since 2026-03-01T10:00 --until 2026-03-02
  igniter log --reverse --limit 20 --json`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				r.Stores = args[:1]
			}
			if len(args) > 1 {
				given.key = args[1]
			}
			chosen, err := given.filter()
			if err != nil {
				return err
			}
			if len(args) > 1 && args[1] == "" {
				chosen.key = &args[1]
			}
			chosen.since, chosen.until = since, until
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				stats, err := log.Stats(cmd.Context())
				if err != nil {
					return err
				}
				after, err := stats.Resume(r.After)
				if err != nil {
					return err
				}
				r.After = backend.Cursor{Seq: after}
				if r.Through == 0 || r.Through > stats.LastSeq {
					r.Through = stats.LastSeq
				}
				if r.Through <= after {
					return nil
				}
				w := window{app: a, log: log, r: r, since: since}
				n := uint(0)
				for f, err := range w.facts(cmd.Context(), reverse) {
					if err != nil {
						return err
					}
					if !chosen.has(f) {
						continue
					}
					if err := a.printEvent(f); err != nil {
						return err
					}
					if n++; n == limit {
						return nil
					}
				}
				return nil
			})
		},
	}))
	flags := cmd.Flags()
	flags.Func("since", "only facts written at that `time` or later: "+instantHelp, instant(&since))
	flags.Func("until", "only facts written before that `time`", instant(&until))
	cursorVar(cmd, &r.After, "only facts after that seq")
	flags.Uint64Var(&r.Through, "through", 0, "only facts through that seq; 0: all")
	given.add(flags)
	flags.BoolVar(&reverse, "reverse", false, "show the latest fact first")
	flags.UintVar(&limit, "limit", 0, "how many to show; 0: all")
	return cmd
}

// A window is a part of a log that a command shows.
type window struct {
	app   *app
	log   backend.Log
	r     backend.Range // After names no log, and Through is a seq that the log has reached
	since time.Time     // earlier facts are not asked for; zero: all are

	quiet bool            // nothing is said of facts that are gone
	said  map[string]bool // stores of which it was said that facts are gone
}

// facts yields the facts of the window, the oldest or the latest first. It says of which stores facts were removed that
// would be among them. Transaction times may go back where facts were imported, so that it does not end at since.
func (w *window) facts(ctx context.Context, reverse bool) iter.Seq2[*backend.Fact, error] {
	if reverse {
		return w.backward(ctx)
	}
	return func(yield func(*backend.Fact, error) bool) { w.read(ctx, w.r, yield) }
}

// read yields the facts of a part of the window, and reports whether the loop goes on.
func (w *window) read(ctx context.Context, r backend.Range, yield func(*backend.Fact, error) bool) bool {
	for p, err := range w.log.Replay(ctx, r) {
		if err != nil {
			yield(nil, err)
			return false
		}
		w.say(&p)
		for i := range p.Facts {
			if !yield(&p.Facts[i], nil) {
				return false
			}
		}
	}
	return true
}

// backward yields the facts of the window, the latest first. It reads parts of the window, each of a few megabytes unless
// facts are large.
func (w *window) backward(ctx context.Context) iter.Seq2[*backend.Fact, error] {
	return func(yield func(*backend.Fact, error) bool) {
		part := w.r
		for seqs := uint64(512); part.Through > w.r.After.Seq; {
			part.After.Seq = w.r.After.Seq
			if part.Through-part.After.Seq > seqs {
				part.After.Seq = part.Through - seqs
			}
			var facts []backend.Fact
			size := 0
			ok := w.read(ctx, part, func(f *backend.Fact, err error) bool {
				if err != nil {
					return yield(nil, err)
				}
				size += len(f.Value) + len(f.Producer) + 256
				facts = append(facts, *f)
				return true
			})
			if !ok {
				return
			}
			for i := len(facts) - 1; i >= 0; i-- {
				if !yield(&facts[i], nil) {
					return
				}
			}
			part.Through = part.After.Seq
			switch {
			case size < 2<<20:
				seqs = min(seqs*4, 1<<18)
			case size > 8<<20:
				seqs = max(seqs/4, 1)
			}
		}
	}
}

// say says once of each store that facts of the window are gone.
func (w *window) say(p *backend.Page) {
	for store, h := range p.Horizons {
		if w.quiet || w.said[store] || h.Seq <= w.r.After.Seq || !w.since.IsZero() && !w.since.Before(h.Time) {
			continue
		}
		if w.said == nil {
			w.said = map[string]bool{}
		}
		w.said[store] = true
		w.app.say(fmt.Sprintf("facts of %s before seq %d were removed: what is shown from before that may be incomplete", cmp.Or(store, "some stores"), h.Seq))
	}
}
