// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// A palette is the colours of a chart.
type palette struct{ text, faint, ours, peer, limit string }

var palettes = map[string]palette{
	"light": {text: "#1f2328", faint: "#d1d9e0", ours: "#0969da", peer: "#8c959f", limit: "#d8dee4"},
	"dark":  {text: "#e6edf3", faint: "#3d444d", ours: "#58a6ff", peer: "#7d8590", limit: "#30363d"},
}

func (p palette) of(k kind) string { return [...]string{p.peer, p.ours, p.limit}[k] }

const (
	chartWidth = 820
	nameWidth  = 210
	barWidth   = 450
	lineHeight = 20
)

// chart draws the results of a section as SVG: bars for each row, or curves if the section is of growth.
func chart(section string, results []result, p palette) string {
	if section == growthSection {
		return curves(results, p)
	}
	var b strings.Builder
	y := 8
	for _, r := range results {
		b.WriteString(label(8, y+15, p.text, "start", "bold", r.Name+", "+r.Unit+lowerNote(r)))
		y += lineHeight + 4
		longest := 0.0
		all := r.sorted()
		for _, o := range all {
			longest = max(longest, o.Median)
		}
		for _, o := range all {
			if len(o.Samples) == 0 {
				continue
			}
			weight := "normal"
			if o.Kind == ours {
				weight = "bold"
			}
			width := max(o.Median/longest*barWidth, 1)
			b.WriteString(label(nameWidth-8, y+14, p.text, "end", weight, o.Contender))
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`, nameWidth, y+2, width, lineHeight-5, p.of(o.Kind))
			b.WriteString("\n")
			b.WriteString(label(nameWidth+int(width)+6, y+14, p.text, "start", weight, figure(o.Median)))
			y += lineHeight
		}
		y += 14
	}
	return svg(y, b.String())
}

func lowerNote(r result) string {
	if r.Lower {
		return " (shorter is better)"
	}
	return ""
}

// curves draws each row as a curve over the number of records, both on logarithmic axes.
func curves(results []result, p palette) string {
	const height, width, left, gap = 110, 560, 200, 46
	var b strings.Builder
	y := 8
	for _, r := range results {
		b.WriteString(label(8, y+15, p.text, "start", "bold", r.Name+", "+r.Unit))
		low, high := math.Inf(1), 0.0
		from, to := math.Inf(1), 0.0
		for _, o := range r.Outcomes {
			if n, err := countOf(o.Contender); err == nil && len(o.Samples) > 0 {
				low, high = min(low, o.Median), max(high, o.Median)
				from, to = min(from, n), max(to, n)
			}
		}
		low, high = low/2, high*2
		top := y + lineHeight
		fmt.Fprintf(&b, `<path d="M%d %dV%dH%d" fill="none" stroke="%s"/>`+"\n", left, top, top+height, left+width, p.faint)
		line, sep := "", "M"
		for _, o := range r.Outcomes {
			n, err := countOf(o.Contender)
			if err != nil || len(o.Samples) == 0 {
				continue
			}
			x := float64(left) + 20 + share(n, from, to)*(width-60)
			v := float64(top) + height - share(o.Median, low, high)*height
			line += fmt.Sprintf("%s%.1f %.1f", sep, x, v)
			sep = "L"
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x, v, p.ours)
			b.WriteString(label(int(x)+7, int(v)-6, p.text, "start", "normal", figure(o.Median)))
			b.WriteString(label(int(x), top+height+16, p.text, "middle", "normal", figure(n)))
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", line, p.ours)
		y = top + height + gap
	}
	return svg(y, b.String())
}

// share returns where v lies between two numbers, by its logarithm.
func share(v, from, to float64) float64 {
	if from == to || from <= 0 || v <= 0 {
		return 0
	}
	return math.Log(v/from) / math.Log(to/from)
}

func label(x, y int, colour, anchor, weight, text string) string {
	return fmt.Sprintf(`<text x="%d" y="%d" fill="%s" text-anchor="%s" font-weight="%s">%s</text>`+"\n", x, y, colour, anchor, weight, html.EscapeString(text))
}

func svg(height int, body string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" font-family="system-ui, sans-serif" font-size="12">`+
		"\n%[3]s</svg>\n", chartWidth, height, body)
}

// countOf parses a number of records, see figure.
func countOf(text string) (float64, error) {
	return strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
}
