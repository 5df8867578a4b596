// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store/reader"
)

// ask opens the log and a reader over it, which answers the same questions as HTTP. readable are the stores that the
// caller may read.
func (a *app) ask(ctx context.Context, with func(log backend.Log, r *reader.Reader, readable []string) error) error {
	return a.withLog(ctx, func(log backend.Log) error {
		r := reader.New(log, reader.Options{Memory: -1, Once: true})
		return errors.Join(with(log, r, log.Features().Stores), r.Close())
	})
}

// filterFlags has the flags for a query.Filter.
type filterFlags struct {
	where    []string
	key      *string // nil: any
	producer string  // "": any
}

// add adds the flags.
func (g *filterFlags) add(flags *pflag.FlagSet) {
	whereVar(flags, &g.where)
	flags.Func("producer", "only facts of this `producer`: JSON, or else a string, which also matches an object with that \"name\"", func(producer string) error {
		if g.producer = producer; producer == "" {
			return errors.New("empty")
		}
		return nil
	})
}

// filter returns the filter. A key that ends with * stands for all keys with that prefix.
func (g *filterFlags) filter(stores []string) (f query.Filter, err error) {
	f = query.Filter{Producer: g.producer}
	if err := checkStores(stores); err != nil {
		return f, err
	}
	if len(stores) > 0 {
		f.Stores = stores
	}
	if g.key == nil {
	} else if prefix, ok := strings.CutSuffix(*g.key, "*"); ok {
		f.Prefix = prefix
	} else {
		f.Key = g.key
	}
	f.Where, err = parseConditions(g.where)
	return f, err
}

// checkStores checks the names of stores that a command was given.
func checkStores(names []string) error {
	for _, name := range names {
		if err := backend.CheckStore(name); err != nil {
			return commandError{err, 2, ""}
		}
	}
	return nil
}

func parseConditions(texts []string) ([]query.Condition, error) {
	all, err := query.ParseConditions(texts)
	if err != nil {
		return nil, commandError{err, 2, ""}
	}
	return all, nil
}

// whereVar adds the flag --where.
func whereVar(flags *pflag.FlagSet, where *[]string) {
	flags.StringArrayVar(where, "where", nil, "only values with this field: field=value, with =, !=, >, >=, < or <=, compared as JSON (1 and 1.0 are equal; one instant in two zones is not); may be repeated")
}
