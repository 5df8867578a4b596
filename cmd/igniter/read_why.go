package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/store"
)

func (a *app) whyCommand() *cobra.Command {
	var depth uint
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "why ID|SEQ",
		Short: "Show what led to a fact, and what followed from it",
		Long: `Shows a fact, given by its ID or its seq: who wrote it, what it changed, which facts led to it, and which followed from it.
A fact follows the one before it of its key, or the cause that its writer named; a rule derives facts from sources. --depth says how
many steps to show in each direction. The command checks the whole lineage, whatever is shown of it: each fact's hash, and that no
cause is missing; its proof, a hash, is the same wherever the same facts led to this one.

It reads the log backward as far as causes lie, and forward to its end. The token must allow reading all stores, or causes in
the others are reported as missing.`,
		Example: `  igniter why 995887 --path ./log
  igniter why 019332a4-7c1e-7d0a-b4e5-9c1f2d3e4f50 --depth 0 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.withLog(cmd.Context(), func(log backend.Log) error {
				l, err := a.lineage(cmd.Context(), log, given[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.encode(l.report())
				}
				_, err = fmt.Fprint(a.out, l.text(a, depth))
				return err
			})
		},
	}))
	cmd.Flags().UintVar(&depth, "depth", 3, "how many steps of causes and effects to show; 0: all")
	return cmd
}

// A lineage is a fact with what led to it and what followed from it.
type lineage struct {
	fact    *backend.Fact
	causes  map[string]*backend.Fact // by ID, of the fact, its causes and sources, and so on
	effects []*backend.Fact          // in the order of the log
	store.Lineage
	unproven error // why the lineage does not hold; nil: it does
}

// find returns the fact with an ID or a seq.
func (a *app) find(ctx context.Context, log backend.Log, text string) (*backend.Fact, error) {
	stats, err := log.Stats(ctx)
	if err != nil {
		return nil, err
	}
	w := window{app: a, log: log, r: backend.Range{Through: stats.LastSeq}}
	is := func(f *backend.Fact) bool { return f.ID == text }
	if seq, err := strconv.ParseUint(text, 10, 64); err == nil && seq > 0 && seq <= stats.LastSeq {
		w.r = backend.Range{After: backend.Cursor{Seq: seq - 1}, Through: seq}
		is = func(f *backend.Fact) bool { return f.Seq == seq }
	}
	w.quiet = true
	for f, err := range w.backward(ctx) {
		if err != nil {
			return nil, err
		}
		if is(f) {
			return f, nil
		}
	}
	gone := ""
	if len(stats.Horizons) > 0 {
		gone = ", or it was removed"
	}
	return nil, fmt.Errorf("there is no fact with the ID or seq %q that may be read%s: igniter log shows seqs, igniter log --json IDs: %w", text, gone, store.ErrNotFound)
}

// lineage reads the lineage of the fact with an ID or a seq.
func (a *app) lineage(ctx context.Context, log backend.Log, text string) (*lineage, error) {
	f, err := a.find(ctx, log, text)
	if err != nil {
		return nil, err
	}
	l := &lineage{fact: f, causes: map[string]*backend.Fact{f.ID: f}}
	stats, err := log.Stats(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.readCauses(ctx, window{app: a, log: log, r: backend.Range{Through: stats.LastSeq}, quiet: true}); err != nil {
		return nil, err
	}
	if err := l.readEffects(ctx, log, stats.LastSeq); err != nil {
		return nil, err
	}
	return l, l.prove(ctx)
}

// links returns the IDs of the facts that led to a fact.
func links(f *backend.Fact) []string {
	var d struct{ Sources []string }
	_ = json.Unmarshal(f.Derivation, &d) // what is no rule's has no sources
	ids := append(d.Sources, f.Causation)
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// readCauses reads the causes backward from the fact, and then from the log's end as long as one is found there: an import may
// have written a cause after its effect.
func (l *lineage) readCauses(ctx context.Context, w window) error {
	wanted := map[string]bool{}
	want := func(f *backend.Fact) {
		for _, id := range links(f) {
			if l.causes[id] == nil {
				wanted[id] = true
			}
		}
	}
	want(l.fact)
	last := w.r.Through
	w.r.Through = l.fact.Seq
	for found := true; found && len(wanted) > 0; w.r.Through = last {
		found = w.r.Through < last
		for f, err := range w.backward(ctx) {
			if err != nil {
				return err
			}
			if !wanted[f.ID] {
				continue
			}
			found = true
			delete(wanted, f.ID)
			l.causes[f.ID] = f
			if want(f); len(wanted) == 0 {
				break
			}
		}
	}
	return nil
}

// readEffects reads the facts that followed from the fact, through a seq.
func (l *lineage) readEffects(ctx context.Context, log backend.Log, last uint64) error {
	from := map[string]bool{l.fact.ID: true}
	if l.fact.Seq == last {
		return nil
	}
	r := backend.Range{After: backend.Cursor{Seq: l.fact.Seq}, Through: last}
	for f, err := range backend.Facts(log.Replay(ctx, r)) {
		if err != nil {
			return err
		}
		if slices.ContainsFunc(links(&f), func(id string) bool { return from[id] }) {
			from[f.ID] = true
			l.effects = append(l.effects, &f)
		}
	}
	return nil
}

// prove has the engine make and verify the lineage, of the facts that it consists of.
func (l *lineage) prove(ctx context.Context) error {
	facts := make([]backend.Fact, 0, len(l.causes))
	for _, f := range l.causes {
		facts = append(facts, *f)
	}
	slices.SortFunc(facts, func(a, b backend.Fact) int { return cmp.Compare(a.Seq, b.Seq) })
	e, err := store.Open(ctx, someFacts(facts), store.Options{})
	if err != nil {
		return err
	}
	defer e.Close()
	if l.Lineage, err = e.Lineage(l.fact.ID); err == nil {
		l.unproven = e.VerifyLineage(l.Lineage)
	}
	return err
}

// someFacts is a backend.Backend that holds some facts of a log, in its order, and takes no others.
type someFacts []backend.Fact

func (s someFacts) WriteFact(context.Context, backend.Fact) (backend.Fact, error) {
	return backend.Fact{}, errors.ErrUnsupported
}
func (s someFacts) WriteSnapshot(context.Context, uint64) error { return errors.ErrUnsupported }
func (s someFacts) Close() error                                { return nil }

func (s someFacts) Replay(_ context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		p := backend.NewPager(backend.LogID{}, r, yield)
		if p.Add(s...) {
			p.Flush(s[len(s)-1].Seq)
		}
	}
}

// A lineageReport is a lineage as JSON.
type lineageReport struct {
	ID string `json:"id"`
	store.Lineage
	Effects  []json.RawMessage `json:"effects"`
	Verified bool              `json:"verified"`
	Error    string            `json:"error,omitempty"` // why it is not verified
}

func (l *lineage) report() lineageReport {
	r := lineageReport{ID: l.fact.ID, Lineage: l.Lineage, Effects: []json.RawMessage{}, Verified: l.unproven == nil}
	for _, f := range l.effects {
		r.Effects = append(r.Effects, appendLine(nil, f))
	}
	if l.unproven != nil {
		r.Error = l.unproven.Error()
	}
	return r
}

// text returns the lineage for people, through a depth.
func (l *lineage) text(a *app, depth uint) string {
	if depth == 0 {
		depth = ^uint(0)
	}
	var text strings.Builder
	t := describe(l.fact, 0)
	if before := l.causes[l.fact.Causation]; before != nil && before.Store == l.fact.Store && before.Key == l.fact.Key {
		t.row("changed", changes(before.Value, l.fact.Value))
	}
	text.WriteString(t.String())

	fmt.Fprintf(&text, "\nbecause of\n")
	if len(links(l.fact)) == 0 {
		fmt.Fprintln(&text, "  nothing that the log knows: it is the first fact of its key, and no rule derived it")
	}
	seen := map[string]bool{}
	var up func(f *backend.Fact, indent string, left uint)
	up = func(f *backend.Fact, indent string, left uint) {
		ids := links(f)
		if left == 0 && len(ids) > 0 {
			fmt.Fprintf(&text, "%s└─ … more with --depth\n", indent)
			return
		}
		for i, id := range ids {
			branch, next := "├─ ", "│  "
			if i == len(ids)-1 {
				branch, next = "└─ ", "   "
			}
			cause := l.causes[id]
			if cause == nil {
				fmt.Fprintf(&text, "%s%s%s %s: it is not in the log, or may not be read\n", indent, branch, role(f, nil, id), printable(id))
				continue
			}
			a.branch(&text, indent+branch+role(f, cause, id), cause)
			if seen[id] {
				continue // its own causes are above
			}
			seen[id] = true
			up(cause, indent+next, left-1)
		}
	}
	up(l.fact, "  ", depth)

	fmt.Fprintf(&text, "\nled to\n")
	children := map[string][]*backend.Fact{}
	for _, f := range l.effects {
		for _, id := range links(f) {
			children[id] = append(children[id], f)
		}
	}
	if len(l.effects) == 0 {
		fmt.Fprintln(&text, "  nothing yet")
	}
	clear(seen)
	var down func(id, indent string, left uint)
	down = func(id, indent string, left uint) {
		if left == 0 && len(children[id]) > 0 {
			fmt.Fprintf(&text, "%s└─ … more with --depth\n", indent)
			return
		}
		for i, f := range children[id] {
			branch, next := "├─ ", "│  "
			if i == len(children[id])-1 {
				branch, next = "└─ ", "   "
			}
			a.branch(&text, indent+branch+effect(f, l, id), f)
			if !seen[f.ID] {
				seen[f.ID] = true
				down(f.ID, indent+next, left-1)
			}
		}
	}
	down(l.fact.ID, "  ", depth)

	verified := "verified"
	if l.unproven != nil {
		verified = "NOT VERIFIED: " + printable(l.unproven.Error())
	}
	fmt.Fprintf(&text, "\nlineage of %d facts, %d missing, proof %s: %s\n", len(l.Facts), len(l.Missing), l.Proof, verified)
	return text.String()
}

// role says what a cause is to a fact. cause is nil if it is not known.
func role(f, cause *backend.Fact, id string) string {
	switch {
	case id != f.Causation:
		if rule, ok := jsonvalue.Text(jsonvalue.Member(f.Derivation, "rule")); ok {
			return "source of rule " + printable(rule) + ":"
		}
		return "source:"
	case cause == nil || cause.Store == f.Store && cause.Key == f.Key:
		return "follows"
	}
	return "cause:"
}

// effect says what a fact is to the fact with an ID that led to it.
func effect(f *backend.Fact, l *lineage, id string) string {
	if f.Causation == id {
		return "then"
	}
	return strings.Replace(role(f, nil, id), "source of", "by", 1)
}

// branch adds a line of a tree.
func (a *app) branch(text *strings.Builder, begin string, f *backend.Fact) {
	line := fmt.Sprintf("%s %s/%s  seq %d  %s", begin, printable(f.Store), printable(f.Key), f.Seq, clock(f.TransactionTime))
	if f.Producer != nil {
		line += "  by " + printable(a.brief(string(f.Producer), 32))
	}
	value := printable(valueCell(f))
	if width := a.width(); width > 0 {
		value = cut(value, max(width-len([]rune(line))-2, leastRoom))
	}
	fmt.Fprintf(text, "%s  %s\n", line, value)
}
