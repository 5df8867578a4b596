package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A table is rows for people to read, in columns.
type table struct {
	w     io.Writer
	rows  [][]string
	begun bool // it has a row
}

// newTable begins a table; without columns it has no heading.
func newTable(w io.Writer, columns ...string) *table {
	t := &table{w: w}
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
	t.rows = append(t.rows, cells)
}

// end writes the table. Columns are as wide as a terminal shows their cells, where some characters take two places and
// some none.
func (t *table) end() error {
	var widths []int
	for _, cells := range t.rows {
		for i, cell := range cells {
			widths = append(widths, make([]int, max(0, i+1-len(widths)))...)
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	out := bufio.NewWriter(t.w)
	for _, cells := range t.rows {
		var line strings.Builder
		for i, cell := range cells {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell)+2))
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	t.rows = nil
	return out.Flush()
}

// printable returns text without what would move a terminal's cursor or change its colours.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, text)
}

// cut returns text that takes at most n places of a terminal.
func cut(text string, n int) string {
	width, end := 0, 0
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if width += g.Width(); width > n {
			return text[:end] + "…"
		}
		if width < n {
			_, end = g.Positions()
		}
	}
	return text
}

// clock returns a time as tables show it; "-": not given.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
