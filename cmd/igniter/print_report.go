package main

import (
	"encoding/json"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// encode prints a line of JSON. A fact is in the form of logs.
func (a *app) encode(v any) error {
	if f, ok := v.(*backend.Fact); ok {
		_, err := a.out.Write(appendLine(nil, f))
		return err
	}
	return json.NewEncoder(a.out).Encode(v)
}

// print prints a report: as JSON with --json, or else as text.
func (a *app) print(report any, format string, args ...any) error {
	if a.json {
		return a.encode(report)
	}
	_, err := fmt.Fprintf(plain(a.out), format, args...)
	return err
}

// A listing prints items: with --json as they come, or else in a table, whose columns are headed unless it is empty.
type listing struct {
	app   *app
	table table
}

func (a *app) newListing(columns ...any) *listing {
	l := &listing{app: a}
	l.table.row(columns...)
	return l
}

func (l *listing) add(item any, cells ...any) error {
	if l.app.json {
		return l.app.encode(item)
	}
	l.table.row(cells...)
	return nil
}

// end prints the table.
func (l *listing) end() error {
	if len(l.table) == 1 { // the heading alone, also with --json
		return nil
	}
	_, err := fmt.Fprint(l.app.out, l.table)
	return err
}
