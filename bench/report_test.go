// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func outcomeOf(name string, k kind, value float64) outcome {
	o := outcome{Contender: name, Promise: "what " + name + " promises", Kind: k, Samples: []sample{{Value: value, Latency: []float64{1, 2, 3}}}}
	o.settle()
	return o
}

func fixed() *report {
	return &report{
		Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: "1m0s", Command: "go run .", Turns: 3, Span: "1s", Others: 1.5,
		Machine: machine{CPU: "a processor", Versions: map[string]string{"go.etcd.io/bbolt": "v1"}},
		Results: []result{
			{Section: "Durable append", Name: "one", Unit: "records/s", Outcomes: []outcome{
				outcomeOf("mine", ours, 12_345), outcomeOf("other <1>", peer, 23_456), outcomeOf("disk", limit, 99_999), {Contender: "gone", Skipped: "not there"}}},
			{Section: growthSection, Name: "open", Unit: "s", Lower: true, Outcomes: []outcome{outcomeOf("100", ours, 1), outcomeOf("1000", ours, 10)}},
		},
	}
}

func TestReport(t *testing.T) {
	page, err := fixed().insert("rules\n" + beginMark + "\nold\n" + endMark + "\nmore\n")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(page, "rules\n"+beginMark) && strings.HasSuffix(page, endMark+"\nmore\n"), page)
	require.NotContains(t, page, "old")
	for _, part := range []string{
		"**one** (mine: 0.53 of other <1>)",
		"| *disk (limit)* | 100,000 (100,000–100,000) | 1 | 2 | 3 |\n| other <1> | 23,500 (23,500–23,500) | 1 | 2 | 3 |\n| **mine** | 12,300 (12,300–12,300) | 1 | 2 | 3 |\n| gone | skipped: not there | | | |\n",
		"**Busy machine**", "go.etcd.io/bbolt v1", "- mine: what mine promises\n", "img/bench-durable-append-dark.svg",
	} {
		require.Contains(t, page, part)
	}
	again, err := fixed().insert(page)
	require.NoError(t, err)
	require.Equal(t, page, again)
	_, err = fixed().insert("no marks")
	require.Error(t, err)
}

func TestFigures(t *testing.T) {
	for v, text := range map[float64]string{0.12345: "0.123", 5: "5", 99.94: "99.9", 123: "123", 12_345: "12,300", 1_234_567: "1,230,000"} {
		require.Equal(t, text, figure(v))
	}
}

func TestCharts(t *testing.T) {
	r := fixed()
	for _, section := range r.sections() {
		for shade, p := range palettes {
			text := chart(section, r.in(section), p)
			require.Contains(t, text, p.ours, shade)
			for d := xml.NewDecoder(strings.NewReader(text)); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else {
					require.NoError(t, err, text)
				}
			}
		}
	}
	require.Contains(t, chart("Durable append", r.in("Durable append"), palettes["light"]), `width="450.0"`)
}

func TestMerge(t *testing.T) {
	all, some := fixed(), fixed()
	some.Results = some.Results[1:]
	some.Results[0].Outcomes = []outcome{outcomeOf("100", ours, 3)}
	require.NoError(t, all.merge(some))
	require.Len(t, all.Results, 2)
	require.Equal(t, 3.0, all.Results[1].Outcomes[0].Median)
	page, err := all.insert(beginMark + endMark)
	require.NoError(t, err)
	require.Contains(t, page, "**open**, measured again on 2026-01-02 03:04 UTC: 3 turns of 1s\n")
	some.Results[0].Name = "new"
	require.Error(t, all.merge(some))
}
