package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

func (a *app) listCommand() *cobra.Command {
	var at momentFlags
	var prefix string
	var where []string
	limit := 0
	cmd := a.forPrograms(&cobra.Command{
		Use:   "list [STORE]",
		Short: "Show a store's keys and values, or the stores there are",
		Long: `Shows the keys of a store that have a value, in the order in which they were first written; without a store, the
stores there are.

--where compares a field of the value, "a.b" one inside another: with JSON, such as true or 17, or else with a
text. Where it is given several times, all must hold.`,
		Example: `  igniter list --path ./log
  igniter list tasks --where done=false --where owner.name=ana --limit 20
  igniter list tasks --prefix 2026- --as-of -24h --json`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			m, err := at.moment(cmd)
			if err != nil {
				return err
			}
			if limit < 0 {
				return usage("--limit %d is below 0", limit)
			}
			conditions, err := parseConditions(where)
			if err != nil {
				return err
			}
			if len(given) == 0 {
				if prefix != "" || len(where) > 0 {
					return usage("--prefix and --where are for the keys of a store: igniter list STORE")
				}
				return a.listStores(cmd, m)
			}
			// Only what can pass is held.
			has := func(f *backend.Fact) bool { return strings.HasPrefix(f.Key, prefix) }
			return a.look(cmd.Context(), given[0], has, func(e *store.Engine) error {
				p, n := a.newFactPrinter(), 0
				for r, err := range e.List(cmd.Context(), given[0], store.Query{At: m, Prefix: prefix}) {
					if err != nil {
						return err
					}
					if !conditions.hold(r.Value()) {
						continue
					}
					if n++; limit > 0 && n > limit {
						break
					}
					f := r.Fact()
					if err := p.print(&f); err != nil {
						return err
					}
				}
				return p.end()
			})
		},
	})
	at.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&prefix, "prefix", "", "only keys that begin with it")
	flags.StringArrayVar(&where, "where", nil, "only values with that field: field=value; may be repeated")
	flags.IntVar(&limit, "limit", 0, "how many to show; 0: all")
	return a.where(cmd)
}

// A condition is that a value has a field with a value.
type condition struct {
	field string
	want  []byte // canonical
}

type conditions []condition

func parseConditions(texts []string) (all conditions, err error) {
	for _, text := range texts {
		field, value, ok := strings.Cut(text, "=")
		if !ok || field == "" {
			return nil, usage("--where %q is not field=value", text)
		}
		want, err := wire.AppendCanonical(nil, []byte(value))
		if err != nil {
			if want, err = json.Marshal(value); err == nil {
				want, err = wire.AppendCanonical(nil, want)
			}
		}
		if err != nil {
			return nil, usage("--where %q: %w", text, err)
		}
		all = append(all, condition{field, want})
	}
	return all, nil
}

func (all conditions) hold(value json.RawMessage) bool {
	return !slices.ContainsFunc(all, func(c condition) bool {
		have, ok := field(value, c.field)
		if !ok {
			return true
		}
		form, err := wire.AppendCanonical(nil, have)
		return err != nil || !bytes.Equal(form, c.want)
	})
}

// field returns a field of an object, or of an object in it.
func field(value json.RawMessage, name string) (json.RawMessage, bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return nil, false
	}
	if v, ok := object[name]; ok {
		return v, true
	}
	outer, inner, ok := strings.Cut(name, ".")
	if !ok {
		return nil, false
	}
	return field(object[outer], inner)
}

// A storeCount is what a store has.
type storeCount struct {
	Store   string `json:"store"`
	Facts   int    `json:"facts"`
	LastSeq uint64 `json:"last_seq"`
}

func (a *app) listStores(cmd *cobra.Command, m store.Moment) error {
	return a.withLog(cmd.Context(), func(log backend.Log) error {
		counts := map[string]*storeCount{}
		for f, err := range backend.Facts(log.Replay(cmd.Context(), backend.Range{})) {
			if err != nil {
				return err
			}
			if !visible(&f, m) {
				continue
			}
			c := counts[f.Store]
			if c == nil {
				c = &storeCount{Store: strings.Clone(f.Store)}
				counts[c.Store] = c
			}
			c.Facts++
			c.LastSeq = f.Seq
		}
		t := newTable(a.out)
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			c := counts[name]
			if a.json {
				if err := json.NewEncoder(a.out).Encode(c); err != nil {
					return err
				}
				continue
			}
			if !t.begun {
				t.heading("store", "facts", "last seq")
			}
			t.row(c.Store, strconv.Itoa(c.Facts), strconv.FormatUint(c.LastSeq, 10))
		}
		return t.end()
	})
}

// visible reports whether a log that was read as of a moment shows a fact.
func visible(f *backend.Fact, m store.Moment) bool {
	valid := f.ValidTime
	if valid.IsZero() {
		valid = f.TransactionTime
	}
	return (m.Seq == 0 || f.Seq <= m.Seq) && (m.Time.IsZero() || !f.TransactionTime.After(m.Time)) &&
		(m.Valid.IsZero() || !valid.After(m.Valid))
}
