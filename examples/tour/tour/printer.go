// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// A printer writes text and tables for people. The first error of its writer stays in err.
type printer struct {
	out   io.Writer
	err   error
	n     int  // sections so far
	blank bool // the last line was empty
}

const (
	margin   = "  "
	maxValue = 64 // cells of a table's last column
)

func (p *printer) line(s string) {
	if p.err != nil || s == "" && p.blank {
		return
	}
	p.blank = s == ""
	_, p.err = fmt.Fprintln(p.out, strings.TrimRight(s, " "))
}

func (p *printer) title(s string) { p.line(s) }

func (p *printer) section(s string) {
	p.n++
	p.line("")
	p.line(fmt.Sprintf("%d  %s", p.n, s))
	p.line(strings.Repeat("─", 96))
}

func (p *printer) text(format string, args ...any) { p.line(margin + fmt.Sprintf(format, args...)) }

// table prints rows, the first of them the heads, in columns as wide as their widest cell.
func (p *printer) table(rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i := range row {
			if row[i] = printable(row[i]); i == len(row)-1 {
				row[i] = cut(row[i], maxValue)
			}
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(row[i]))
		}
	}
	p.line("")
	for _, row := range rows {
		var b strings.Builder
		b.WriteString(margin)
		for i, cell := range row {
			b.WriteString(margin + cell + strings.Repeat(" ", widths[i]-width(cell)))
		}
		p.line(b.String())
	}
	p.line("")
}

// printable returns s with escapes for characters that would disturb a terminal.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) || unicode.Is(unicode.M, r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// cut returns s if it fits; otherwise its beginning with an ellipsis.
func cut(s string, most int) string {
	if width(s) <= most {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// width returns how many cells of a terminal s takes.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul), r >= 0x1f300 && r < 0x1fb00:
		return 2
	}
	return 1
}

// clock returns a time of day on its date, to the millisecond.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// short returns the end of an ID; the beginnings of IDs of the same moment are equal.
func short(id string) string {
	if id == "" {
		return "-"
	}
	if len(id) > 8 {
		return "…" + id[len(id)-8:]
	}
	return id
}

func quoteEmpty(key string) string {
	if key == "" {
		return `""`
	}
	return key
}
