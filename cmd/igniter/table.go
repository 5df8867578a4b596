package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// A table is rows for people to read, in columns.
type table struct {
	w     *tabwriter.Writer
	begun bool // it has a row
}

// newTable begins a table; without columns it has no heading.
func newTable(w io.Writer, columns ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	if len(columns) > 0 {
		t.heading(columns...)
	}
	return t
}

func (t *table) heading(columns ...string) {
	cells := make([]string, len(columns))
	for i := range columns {
		cells[i] = strings.ToUpper(columns[i])
	}
	t.row(cells...)
}

func (t *table) row(cells ...string) {
	t.begun = true
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

// end writes the table.
func (t *table) end() error { return t.w.Flush() }

// printable returns text without what would move a terminal's cursor or change its colours.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, text)
}

// cut returns text that is at most n runes long.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// clock returns a time as tables show it; "-": not given.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
