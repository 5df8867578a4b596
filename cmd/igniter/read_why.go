// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store/reader"
)

func (a *app) whyCommand() *cobra.Command {
	var depth uint
	var at moment
	cmd := a.withJSON(withLogFlags(withMoment(&cobra.Command{
		Use:   "why ID|SEQ | STORE KEY",
		Short: "Show what led to a fact, and what followed from it",
		Long: `Shows a fact: who wrote it, what it changed, which facts led to it, and which followed from it. Name the fact by its ID or
its seq, or name a key: then it is the fact that holds the key's value, now or at a moment, or the key's deletion.

A fact follows the previous fact of its key, or the cause that its writer named; a rule derives facts from sources.
--depth says how many links to follow in each direction. The hashes of all shown facts are checked. The proof is a hash over
them; two logs in which the same facts led to this one have the same proof.

It reads the log backward to the earliest cause, and forward to its end. Facts of stores that the token may not read are
missing.`,
		Example: `  igniter why 995887 --path ./log
  igniter why orders order-139 --as-of 2026-03-01
  igniter why 019332a4-7c1e-7d0a-b4e5-9c1f2d3e4f50 --depth 0 --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 1 && at != (moment{}) {
				return usage("--as-of, --at-seq and --valid-at are for the value of a key: igniter why STORE KEY")
			}
			return a.ask(cmd.Context(), func(log backend.Log, r *reader.Reader, readable []string) (err error) {
				var f query.Version
				if len(given) == 1 {
					f, err = a.find(cmd.Context(), log, r, given[0])
				} else {
					f, err = a.valueOf(cmd.Context(), log, r, given[0], given[1], &at)
				}
				if err != nil {
					return err
				}
				q := query.LineageQuery{ID: f.Fact.ID, Store: f.Fact.Store, Depth: int(depth), Effects: true, Limit: -1, Values: true}
				if depth == 0 {
					q.Depth = -1
				}
				l, err := r.Lineage(cmd.Context(), readable, q)
				if err != nil {
					return err
				}
				if a.json {
					return a.encode(l)
				}
				_, err = fmt.Fprint(a.out, a.explain(&f, &l))
				return err
			})
		},
	}, &at)))
	cmd.Flags().UintVar(&depth, "depth", 3, "how many links of causes and effects to follow; 0: all")
	return cmd
}

// find returns the fact with an ID or a seq, and what it changed. A number that is the seq of one fact and the ID of
// another fact is an error.
func (a *app) find(ctx context.Context, log backend.Log, r *reader.Reader, text string) (v query.Version, err error) {
	readable := log.Features().Stores
	at, err := factAt(ctx, log, text)
	if err != nil {
		return v, err
	}
	v, err = r.Fact(ctx, readable, "", text)
	switch missing := errors.Is(err, query.ErrNotFound); {
	case missing && at.Seq != 0:
		return r.Fact(ctx, readable, at.Store, at.ID)
	case missing:
		gone := ""
		if s, err := log.Stats(ctx); err == nil && len(s.Horizons) > 0 {
			gone = " (it may have been removed)"
		}
		return v, fmt.Errorf("no readable fact has the ID or seq %q%s: igniter log shows seqs, igniter log --json shows IDs", text, gone)
	case err == nil && at.Seq != 0 && at.Seq != v.Fact.Seq:
		return v, fmt.Errorf("%s is the ID of the fact at seq %d, and the seq of the fact with the ID %q: give %[2]d or %[3]q", text, v.Fact.Seq, at.ID)
	}
	return v, err
}

// factAt parses text as a seq, and returns the fact with that seq. It returns the zero Fact if text is not a seq, or if
// the caller may not read such a fact.
func factAt(ctx context.Context, log backend.Log, text string) (at backend.Fact, err error) {
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seq == 0 {
		return at, nil
	}
	stats, err := log.Stats(ctx)
	if err != nil || seq > stats.LastSeq {
		return at, err
	}
	for f, err := range backend.Facts(log.Replay(ctx, backend.Range{After: backend.Cursor{Seq: seq - 1}, Through: seq})) {
		if err != nil {
			return at, err
		}
		at = f.Clone()
	}
	return at, nil
}

// valueOf returns the fact that is a key's value at a moment, or the key's deletion, and what it changed.
func (a *app) valueOf(ctx context.Context, log backend.Log, r *reader.Reader, store, key string, at *moment) (v query.Version, err error) {
	stats, err := log.Stats(ctx)
	if err != nil {
		return v, err
	}
	a.sayAhead(at, &stats)
	readable := log.Features().Stores
	found, err := r.Get(ctx, readable, store, key, query.Moment{Seq: at.Seq, Time: at.Time, Valid: at.Valid, ValidNow: at.validNow})
	if missing, ok := errors.AsType[*query.NoValueError](err); ok && missing.Deleted != nil {
		found.Fact, err = *missing.Deleted, nil
	}
	if err != nil {
		return v, err
	}
	return r.Fact(ctx, readable, store, found.Fact.ID)
}

// explain returns a lineage as text.
func (a *app) explain(v *query.Version, l *query.Lineage) string {
	var text strings.Builder
	t := describe(&v.Fact, 0)
	if v.Kind != "" {
		t.row("changed", strings.Join(append([]string{v.Kind}, changeTexts(v.Changes, v.MoreChanges)...), ", "))
	}
	text.WriteString(t.String())
	fmt.Fprintln(&text, "\nbecause of")
	a.tree(&text, v.Fact.Seq, l.Facts, l.Links, false)
	if l.Effects != nil {
		fmt.Fprintln(&text, "\nled to")
		a.tree(&text, v.Fact.Seq, l.Effects.Facts, l.Effects.Links, true)
	}
	cut, verified := "", "verified"
	if !l.Whole {
		cut = ", more with a greater --depth"
	}
	if !l.Verified {
		verified = "NOT VERIFIED: " + l.Problem
	}
	fmt.Fprintf(&text, "\n%d facts%s, %d missing, proof %s: %s\n", len(l.Facts), cut, len(l.Missing), l.Proof, printable(verified))
	return text.String()
}

// tree writes facts to text as a tree whose root is the fact with a seq: with down, the facts that it led to, otherwise
// the facts that led to it. If a fact occurs twice, only the first occurrence has branches.
func (a *app) tree(text *strings.Builder, seq uint64, facts []query.FactRef, links []query.Link, down bool) {
	bySeq, next := map[uint64]*query.FactRef{}, map[uint64][]query.Link{}
	for i := range facts {
		bySeq[facts[i].Fact.Seq] = &facts[i]
	}
	for _, l := range links {
		from := l.FromSeq
		if down {
			from = l.ToSeq
		}
		next[from] = append(next[from], l)
	}
	if len(next[seq]) == 0 {
		fmt.Fprintln(text, "  nothing that the log knows of")
	}
	seen := map[uint64]bool{}
	var add func(seq uint64, indent string)
	add = func(seq uint64, indent string) {
		if seen[seq] {
			return
		}
		seen[seq] = true
		for i, l := range next[seq] {
			branch, inner := "├─ ", "│  "
			if i == len(next[seq])-1 {
				branch, inner = "└─ ", "   "
			}
			role, other := l.Kind, l.ToSeq
			switch {
			case l.Kind == "source" && down:
				role = "by rule " + l.Rule
			case l.Kind == "source":
				role = "source of rule " + l.Rule
			case down:
				role = "then"
			}
			if down {
				other = l.FromSeq
			}
			line := printable(indent + branch + role + ": ")
			if ref := bySeq[other]; ref != nil {
				fmt.Fprintln(text, a.eventLine(line, &ref.Fact, ref.ValueBytes))
				add(other, indent+inner)
			} else {
				fmt.Fprintln(text, line+printable(l.To)+", which is not in the log, is too many links away, or may not be read")
			}
		}
	}
	add(seq, "  ")
}

// changeTexts returns the differences between two values as texts.
func changeTexts(changes []query.Change, more bool) (all []string) {
	for _, c := range changes {
		before, after := string(c.Old), string(c.New)
		if c.OldBytes > 0 {
			before = fmt.Sprintf("(%d bytes)", c.OldBytes)
		}
		if c.NewBytes > 0 {
			after = fmt.Sprintf("(%d bytes)", c.NewBytes)
		}
		field := c.Field
		if field != "" {
			field += " "
		}
		switch {
		case before == "":
			all = append(all, "+ "+field+after)
		case after == "":
			all = append(all, "− "+field+before)
		default:
			all = append(all, field+before+" → "+after)
		}
	}
	if more {
		all = append(all, "and more")
	}
	return all
}
