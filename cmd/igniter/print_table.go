// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
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
	var text strings.Builder
	t.print(&text, map[int]int{}, 0)
	return text.String()
}

// leastRoom is the least width of the last cell of a line, even if the line then does not fit the terminal.
const leastRoom = 20

// narrowest returns how wide the table is if its last cells are cut.
func (t table) narrowest() (width int) {
	widths := map[int]int{}
	for _, row := range t {
		for i, cell := range row[:max(len(row)-1, 0)] {
			widths[i] = max(widths[i], uniseg.StringWidth(cell)+2)
		}
	}
	for _, w := range widths {
		width += w
	}
	return width + leastRoom
}

// drop removes a column.
func (t table) drop(column int) {
	for i, row := range t {
		t[i] = slices.Delete(row, column, column+1)
	}
}

// print prints the table. widths has the widths of the columns of earlier lines; print raises them to the widths of
// this table. If width, the terminal's width, is not 0, the last cell of each line is cut so that the line fits.
func (t table) print(w *strings.Builder, widths map[int]int, width int) {
	for _, row := range t {
		for i, cell := range row[:max(len(row)-1, 0)] {
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	for _, row := range t {
		var line strings.Builder
		room := width
		for i, cell := range row {
			if i == len(row)-1 {
				if width > 0 {
					cell = cut(cell, max(room, leastRoom))
				}
				line.WriteString(cell)
				break
			}
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell)+2))
			room -= widths[i] + 2
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// printable returns text with escapes such as \u202e in place of characters that would move a terminal's cursor, change
// its colours or be invisible.
func printable(text string) string {
	var plain strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(r)), r <= 0xffff && !unicode.IsPrint(r) && !joins(r):
			fmt.Fprintf(&plain, `\u%04x`, r)
		case !unicode.IsPrint(r) && !joins(r):
			fmt.Fprintf(&plain, `\U%08x`, r)
		default:
			plain.WriteRune(r)
		}
	}
	return plain.String()
}

// joins reports whether a character belongs to those around it: joiners make one emoji of several, and are part of Persian
// and Indian words. An ideographic space is as wide as a character.
func joins(r rune) bool { return r == '\u200c' || r == '\u200d' || r == '\u3000' }

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
