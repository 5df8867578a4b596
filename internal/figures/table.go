// SPDX-License-Identifier: Apache-2.0

package figures

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Table has the figures of several machines or kinds of servers, a column each, as a page shows them.
type Table struct {
	Unit    string // of the figures, if a row does not say another one
	Columns []string
	rows    []row
}

type row struct {
	label   string
	figures map[int]float64 // by column
}

// Add puts a figure into a column of the row with a label. Rows stand in the order in which they were added first.
func (t *Table) Add(label string, column int, figure float64) {
	i := slices.IndexFunc(t.rows, func(r row) bool { return r.label == label })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, row{label, map[int]float64{}})
	}
	t.rows[i].figures[column] = figure
}

// Ratios returns the figures of one row divided by the figures of another, by column; NaN where one is missing.
func (t *Table) Ratios(label, of string) []float64 {
	all := make([]float64, len(t.Columns))
	for c := range all {
		all[c] = math.NaN()
		for _, a := range t.rows {
			for _, b := range t.rows {
				if x, y := a.figures[c], b.figures[c]; a.label == label && b.label == of && x > 0 && y > 0 {
					all[c] = x / y
				}
			}
		}
	}
	return all
}

// String returns the table as Markdown.
func (t *Table) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "| %s | %s |\n|%s\n", t.Unit, strings.Join(t.Columns, " | "), strings.Repeat(" --- |", len(t.Columns)+1))
	for _, r := range t.rows {
		fmt.Fprintf(&text, "| %s |", r.label)
		for c := range t.Columns {
			cell := ""
			if f, ok := r.figures[c]; ok {
				cell = Text(f)
			}
			fmt.Fprintf(&text, " %s |", cell)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// Text returns a figure of at least 1 with its first three digits and with commas: 2,990 and 1,230,000.
func Text(figure float64) string {
	step := math.Pow10(max(0, int(math.Log10(max(figure, 1)))-2))
	text := strconv.FormatFloat(math.Round(figure/step)*step, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
