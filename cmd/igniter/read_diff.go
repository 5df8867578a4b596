package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func (a *app) diffCommand() *cobra.Command {
	var from, to store.Moment
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "diff STORE [KEY] --from WHEN",
		Short: "Show what changed between two moments",
		Long: `Compares a store, or a key, as the log held it at two moments, and shows the keys that got a value (+), lost it (−) or have
another one (~), with the fields that differ. A moment is a time, or seq:N for when seq N was the log's last. Exit code 0, whether
something changed or not.`,
		Example: `  igniter diff tasks --from 7d --path ./log
  igniter diff orders order-139 --from 2026-03-01T10:00 --to 2026-03-02
  igniter diff orders --from seq:51233 --to now --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, given []string) error {
			has := func(*backend.Fact) bool { return true }
			if len(given) > 1 {
				has = ofKey(given[1])
			}
			return a.look(cmd.Context(), given[0], has, func(e *store.Engine) error { return a.diff(cmd.Context(), e, given[0], from, to) })
		},
	}))
	cmd.Flags().Func("from", "compare with what the log held at that `moment`: seq:N, "+instantHelp, moment(&from))
	cmd.Flags().Func("to", "the other `moment` (default now)", moment(&to))
	_ = cmd.MarkFlagRequired("from") // the flag exists
	return cmd
}

// moment returns a flag's function that sets a moment of the log.
func moment(to *store.Moment) func(text string) error {
	return func(text string) (err error) {
		if seq, ok := strings.CutPrefix(text, "seq:"); ok {
			if to.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || to.Seq == 0 {
				return errors.New("seqs begin at 1: write seq:51233")
			}
			return nil
		}
		to.Time, err = parseInstant(text)
		return err
	}
}

// A difference is a key whose values at two moments differ. A value that it did not have is nil.
type difference struct {
	Key    string          `json:"key"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Seq    uint64          `json:"seq"` // of the fact that the later moment has; 0: none is left
}

func (a *app) diff(ctx context.Context, e *store.Engine, name string, from, to store.Moment) error {
	old := map[string]store.Record{}
	for r, err := range e.List(ctx, name, store.Query{At: from}) {
		if err != nil {
			return err
		}
		old[r.Key()] = r
	}
	l := a.newListing("", "KEY", "SEQ", "TIME", "PRODUCER", "CHANGE")
	add := func(sign, key string, before, after store.Record) error {
		latest := after
		if after.Seq() == 0 { // it was deleted
			latest, _, _ = e.GetAt(ctx, name, key, to)
		}
		f := latest.Fact()
		d := difference{Key: key, Before: before.Value(), After: after.Value(), Seq: f.Seq}
		change := changes(d.Before, d.After)
		switch {
		case before.Seq() == 0:
			change = string(d.After)
		case after.Seq() == 0:
			change = string(d.Before)
		}
		return l.add(d, sign, key, f.Seq, clock(f.TransactionTime), a.brief(cmp.Or(string(f.Producer), "-"), 32), change)
	}
	for r, err := range e.List(ctx, name, store.Query{At: to}) {
		if err != nil {
			return err
		}
		before, had := old[r.Key()]
		delete(old, r.Key())
		switch {
		case !had:
			err = add("+", r.Key(), store.Record{}, r)
		case before.ValueHash() != r.ValueHash():
			err = add("~", r.Key(), before, r)
		}
		if err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if err := add("−", key, old[key], store.Record{}); err != nil {
			return err
		}
	}
	if l.rows == 0 && !a.json {
		_, err := fmt.Fprintln(a.out, "nothing changed")
		return err
	}
	return l.end()
}
