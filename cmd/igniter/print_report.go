// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// encode prints a line of JSON. It prints a fact in the form of logs.
func (a *app) encode(v any) error {
	if f, ok := v.(*backend.Fact); ok {
		_, err := a.out.Write(appendLine(nil, f))
		return err
	}
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false) // values are shown as the log holds them
	return e.Encode(v)
}

// print prints report as JSON with --json, otherwise the text.
func (a *app) print(report any, format string, args ...any) error {
	if a.json {
		return a.encode(report)
	}
	_, err := fmt.Fprintf(plain(a.out), format, args...)
	return err
}

// A listing prints items: with --json each at once, otherwise as lines of a table with a heading; an empty table has no
// heading. On a terminal, the last column is cut so that a line fits the width.
type listing struct {
	app    *app
	table  table // lines that are not printed yet, perhaps after the heading
	rows   int
	widths map[int]int
	spare  []int // columns that are left out on a narrow terminal, in this order
	out    []int // columns that are left out
}

// listed is how many lines are printed at once, so that memory does not grow with the listing. Later lines may have wider columns.
const listed = 500

func (a *app) newListing(columns ...any) *listing {
	l := &listing{app: a, widths: map[int]int{}}
	l.table.row(columns...)
	return l
}

func (l *listing) add(item any, cells ...any) error {
	if l.app.json {
		return l.app.encode(item)
	}
	l.table.row(cells...)
	if l.rows++; len(l.table) < listed {
		return nil
	}
	return l.flush()
}

func (l *listing) flush() error {
	width := l.app.width()
	for _, i := range l.out {
		l.table.drop(i)
	}
	for width > 0 && len(l.widths) == 0 && len(l.spare) > 0 && l.table.narrowest() > width {
		l.table.drop(l.spare[0])
		l.out, l.spare = append(l.out, l.spare[0]), l.spare[1:]
	}
	var text strings.Builder
	l.table.print(&text, l.widths, width)
	l.table = l.table[:0]
	_, err := fmt.Fprint(l.app.out, text.String())
	return err
}

// end prints the lines that are left.
func (l *listing) end() error {
	if l.rows == 0 { // the heading alone, also with --json
		return nil
	}
	return l.flush()
}
