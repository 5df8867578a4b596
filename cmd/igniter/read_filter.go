package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A filter chooses facts. The zero filter chooses all.
type filter struct {
	key, prefix  *string   // of the key; nil: any
	since, until time.Time // of the transaction time; until is not included; zero: any
	where        conditions
	producer     []byte // in the form of jsonvalue.AppendEqual; nil: any
	by           conditions
}

func (c *filter) has(f *backend.Fact) bool {
	switch {
	case c.key != nil && f.Key != *c.key, c.prefix != nil && !strings.HasPrefix(f.Key, *c.prefix):
	case !c.since.IsZero() && f.TransactionTime.Before(c.since), !c.until.IsZero() && !f.TransactionTime.Before(c.until):
	case !c.where.hold(f.Value), !c.by.hold(f.Producer):
	default:
		return c.producer == nil || isEqual(f.Producer, c.producer)
	}
	return false
}

// A filterFlags is a filter as flags give it.
type filterFlags struct {
	where         []string
	key, producer string // "": any
}

// add adds the flags.
func (g *filterFlags) add(flags *pflag.FlagSet) {
	whereVar(flags, &g.where)
	flags.StringVar(&g.producer, "producer", "", "only facts of that producer: JSON, or else a string; user=ana is any producer whose field user is ana")
}

func (g *filterFlags) filter() (c filter, err error) {
	if c.where, err = parseConditions(g.where); err != nil {
		return c, err
	}
	if prefix, ok := strings.CutSuffix(g.key, "*"); ok {
		c.prefix = &prefix
	} else if g.key != "" {
		c.key = &g.key
	}
	switch {
	case g.producer == "":
		return c, nil
	case strings.Contains(g.producer, "=") && jsonvalue.Check([]byte(g.producer), backend.MaxDepth) != nil:
		c.by, err = parseConditions([]string{g.producer})
	default:
		c.producer, err = equalForm(g.producer)
	}
	if err != nil {
		return c, usage("--producer %q: %w", g.producer, err)
	}
	return c, nil
}

// equalForm returns the form in which JSON is compared of a text, which is JSON or else a string.
func equalForm(text string) ([]byte, error) {
	form, err := jsonvalue.AppendEqual(nil, []byte(text), backend.MaxDepth)
	if err != nil {
		quoted, _ := json.Marshal(text) // a string, which can't fail
		form, err = jsonvalue.AppendEqual(nil, quoted, backend.MaxDepth)
	}
	return form, err
}

func isEqual(value, form []byte) bool {
	got, err := jsonvalue.AppendEqual(nil, value, backend.MaxDepth)
	return err == nil && bytes.Equal(got, form)
}

// A condition says what a value must have in a field.
type condition struct {
	field string
	want  []byte // in the form of jsonvalue.AppendEqual
}

type conditions []condition

func parseConditions(texts []string) (all conditions, err error) {
	for _, text := range texts {
		field, value, ok := strings.Cut(text, "=")
		if !ok || field == "" {
			return nil, usage("--where %q is not field=value", text)
		}
		want, err := equalForm(value)
		if err != nil {
			return nil, usage("--where %q: %w", text, err)
		}
		all = append(all, condition{field, want})
	}
	return all, nil
}

// hold reports whether all conditions hold for a value.
func (all conditions) hold(value []byte) bool {
	return !slices.ContainsFunc(all, func(c condition) bool { return !isEqual(member(value, c.field), c.want) })
}

// member returns what an object has under a name, in which a dot may lead to an object inside; nil if it has nothing there.
func member(object []byte, name string) []byte {
	if v := jsonvalue.Member(object, name); v != nil {
		return v
	}
	if outer, inner, ok := strings.Cut(name, "."); ok {
		return member(jsonvalue.Member(object, outer), inner)
	}
	return nil
}

// whereVar adds the flag --where.
func whereVar(flags *pflag.FlagSet, where *[]string) {
	flags.StringArrayVar(where, "where", nil, "only values with that field: field=value, compared as JSON (1 and 1.0 are equal, an instant in two zones is not); may be repeated")
}
