package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A table is rows of cells for people to read.
type table [][]string

// row adds a row.
func (t *table) row(cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = printable(fmt.Sprint(cell))
	}
	*t = append(*t, row)
}

// String returns the table's text. Columns are as wide as a terminal shows their cells: some characters take two places,
// and some none.
func (t table) String() string {
	widths := map[int]int{}
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	var text strings.Builder
	for _, row := range t {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell)+2))
		}
		fmt.Fprintln(&text, strings.TrimRight(line.String(), " "))
	}
	return text.String()
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

// clock returns a time as tables show it.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
