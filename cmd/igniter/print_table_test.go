// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/rivo/uniseg"
	"github.com/stretchr/testify/require"
)

// TestTable aligns columns, whatever characters are in them.
func TestTable(t *testing.T) {
	table := table{{"KEY", "VALUE", "ID"}}
	for _, key := range []string{"milk", "日本語キー", "e\u0301clair", "🥛", "\x1b[31mred\u202e", ""} {
		table.row(key, "x", "end")
	}
	lines := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")
	require.Len(t, lines, 7)
	for _, line := range lines[1:] {
		before, _, ok := strings.Cut(line, "end")
		require.True(t, ok)
		require.Equal(t, len(`\u001b[31mred\u202e`)+2+len("value")+2, uniseg.StringWidth(before), "%q", line)
		require.NotContains(t, line, "\x1b")
	}
}

// TestNarrow leaves out the columns that matter least, in all that a listing prints.
func TestNarrow(t *testing.T) {
	table := table{{"SEQ", "STORE", "ID", "VALUE"}, {"1", "tasks", strings.Repeat("i", 36), "x"}}
	require.Equal(t, 3+2+5+2+36+2+leastRoom, table.narrowest())
	table.drop(2)
	require.Equal(t, 3+2+5+2+leastRoom, table.narrowest())
	table.drop(1)
	require.Equal(t, "SEQ  VALUE\n1    x\n", table.String())
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"é 日本　語 🥛": "é 日本　語 🥛", "👩‍👩‍👧": "👩‍👩‍👧", "\x1b[31m\u202e\n": `\u001b[31m\u202e\u000a`, "a\u00a0b\u200b": `a\u00a0b\u200b`, "\xff\ufffd": `\ufffd` + "\ufffd", "\U000e0001": `\U000e0001`,
	} {
		require.Equal(t, want, printable(text), "%q", text)
	}
}

func TestCut(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "abcd": "abcd", "abcde": "abc…", "日本": "日本", "日本語": "日…", "a日本語": "a日…", "e\u0301e\u0301e\u0301e\u0301": "e\u0301e\u0301e\u0301e\u0301",
		"👩‍👩‍👧👩‍👩‍👧": "👩‍👩‍👧👩‍👩‍👧", "👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧": "👩‍👩‍👧…",
	} {
		require.Equal(t, want, cut(text, 4), "%q", text)
	}
}
