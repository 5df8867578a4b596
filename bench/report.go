// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A report has the results of a run.
type report struct {
	Began   time.Time `json:"began"`
	Took    string    `json:"took"`
	Command string    `json:"command"`
	Turns   int       `json:"turns"`
	Span    string    `json:"span"`   // of a turn
	Others  float64   `json:"others"` // processors that other programs used, before the run and after it
	Machine machine   `json:"machine"`
	Results []result  `json:"results"`
}

// merge replaces rows of r with the results of a run of some rows.
func (r *report) merge(some *report) error {
	for _, res := range some.Results {
		at := slices.IndexFunc(r.Results, func(old result) bool { return old.Section == res.Section && old.Name == res.Name })
		if at < 0 {
			return fmt.Errorf("the last whole run has no row %q in %q: run all", res.Name, res.Section)
		}
		res.Again = fmt.Sprintf("%s: %d turns of %s", some.Began.UTC().Format("2006-01-02 15:04 MST"), some.Turns, some.Span)
		r.Results[at] = res
	}
	return nil
}

// tooBusy is how many processors others may use before the report says that the machine was busy.
const tooBusy = 0.1

const (
	beginMark = "<!-- The bench program writes from here … -->"
	endMark   = "<!-- … to here. -->"
)

// insert puts the report into a page between its two marks.
func (r *report) insert(page string) (string, error) {
	before, rest, ok := strings.Cut(page, beginMark)
	_, after, closed := strings.Cut(rest, endMark)
	if !ok || !closed {
		return "", fmt.Errorf("the page has no lines %q and %q", beginMark, endMark)
	}
	return before + beginMark + "\n\n" + r.markdown() + "\n" + endMark + after, nil
}

// sections returns the sections in the order of their first rows.
func (r *report) sections() (all []string) {
	for _, res := range r.Results {
		if !slices.Contains(all, res.Section) {
			all = append(all, res.Section)
		}
	}
	return all
}

// in returns the results of a section.
func (r *report) in(section string) (all []result) {
	for _, res := range r.Results {
		if res.Section == section {
			all = append(all, res)
		}
	}
	return all
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s in %s with `%s`: medians of %d turns of %s each, and the lowest and highest in brackets.\n",
		r.Began.UTC().Format("2006-01-02 15:04 MST"), r.Took, r.Command, r.Turns, r.Span)
	if r.Others > tooBusy {
		fmt.Fprintf(&b, "\n**Busy machine**: other programs used %.1f processors, so that only large ratios mean something.\n", r.Others)
	}
	b.WriteString(r.Machine.markdown())
	for _, section := range r.sections() {
		fmt.Fprintf(&b, "\n### %[1]s\n\n<picture>\n<source media=\"(prefers-color-scheme: dark)\" srcset=\"img/bench-%[2]s-dark.svg\">\n"+
			"<img alt=\"%[1]s\" src=\"img/bench-%[2]s-light.svg\">\n</picture>\n", section, fileName(section))
		promises := map[string]string{}
		for _, res := range r.in(section) {
			fmt.Fprintf(&b, "\n**%s**", res.Name)
			if best := res.ratio(); best != "" {
				fmt.Fprintf(&b, " (%s)", best)
			}
			if res.Again != "" {
				fmt.Fprintf(&b, ", measured again on %s", res.Again)
			}
			b.WriteString("\n\n")
			res.table(&b)
			for _, o := range res.Outcomes {
				if known, ok := promises[o.Contender]; ok && known != o.Promise {
					promises[o.Contender] = known + "; or " + o.Promise
					if strings.Contains(known, o.Promise) {
						promises[o.Contender] = known
					}
					continue
				}
				promises[o.Contender] = o.Promise
			}
		}
		b.WriteString("\nThe promise of each:\n\n")
		for _, name := range slices.Sorted(maps.Keys(promises)) {
			fmt.Fprintf(&b, "- %s: %s\n", name, promises[name])
		}
	}
	return b.String()
}

// table writes the result's table, the best first.
func (r *result) table(b *strings.Builder) {
	latency := slices.ContainsFunc(r.Outcomes, func(o outcome) bool { return o.Latency != nil })
	fmt.Fprintf(b, "| | %s |", r.Unit)
	if latency {
		b.WriteString(" p50 µs | p99 µs | p99.9 µs |")
	}
	b.WriteString("\n| --- | ---: |")
	if latency {
		b.WriteString(" ---: | ---: | ---: |")
	}
	b.WriteString("\n")
	for _, o := range r.sorted() {
		name := o.Contender
		switch o.Kind {
		case ours:
			name = "**" + name + "**"
		case limit:
			name = "*" + name + " (limit)*"
		}
		fmt.Fprintf(b, "| %s | %s |", name, o.text())
		if latency {
			for q := range 3 {
				if o.Latency == nil {
					b.WriteString(" |")
					continue
				}
				fmt.Fprintf(b, " %s |", figure(o.Latency[q]))
			}
		}
		b.WriteString("\n")
	}
}

// text returns the figure of an outcome, or the reason why it is missing.
func (o *outcome) text() string {
	switch {
	case o.Skipped != "":
		return "skipped: " + o.Skipped
	case o.Failed != "":
		return "failed: " + o.Failed
	}
	return fmt.Sprintf("%s (%s–%s)", figure(o.Median), figure(o.Low), figure(o.High))
}

// sorted returns the outcomes: limits, then the best first, then those without a figure. Growth keeps its order.
func (r *result) sorted() []outcome {
	rank := func(o outcome) float64 {
		switch {
		case len(o.Samples) == 0:
			return 3
		case o.Kind == limit:
			return 0
		case r.Lower:
			return 1 - 1/(1+o.Median) + 1
		}
		return 1 + 1/(1+o.Median)
	}
	all := slices.Clone(r.Outcomes)
	if r.Section != growthSection {
		slices.SortStableFunc(all, func(a, b outcome) int { return cmp.Compare(rank(a), rank(b)) })
	}
	return all
}

// ratio compares this project's best with the best peer; "" if one of them is missing.
func (r *result) ratio() string {
	var best [2]*outcome
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if o.Kind == limit || len(o.Samples) == 0 {
			continue
		}
		if b := best[o.Kind]; b == nil || (o.Median < b.Median) == r.Lower {
			best[o.Kind] = o
		}
	}
	if best[ours] == nil || best[peer] == nil {
		return ""
	}
	q := best[ours].Median / best[peer].Median
	if r.Lower {
		q = 1 / q
	}
	return fmt.Sprintf("%s: %.2f of %s", best[ours].Contender, q, best[peer].Contender)
}

// figure writes a number with three significant digits and thousands separators.
func figure(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64) // it is a number
	text := strconv.FormatFloat(rounded, 'f', 0, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// fileName returns a section's name for files.
func fileName(section string) string { return strings.ReplaceAll(strings.ToLower(section), " ", "-") }
