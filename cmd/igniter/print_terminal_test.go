// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestPlainWriter writes each text whole and byte by byte.
func TestPlainWriter(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\n日本 é 👩‍👩‍👧":            "a\tb\n日本 é 👩‍👩‍👧",
		"\x1b[31mred\a\r\x7f\x00":     `\u001b[31mred\u0007\u000d\u007f\u0000`,
		"\u009b31m\u0085":             `\u009b31m\u0085`,
		"a\u202eb\u2066c\u061c\u200f": `a\u202eb\u2066c\u061c\u200f`,
		"a\u2028b":                    `a\u2028b`,
		"\x9b31m\xffx\xe6\x97":        `\ufffd31m\ufffdx`,
		"\ufffd":                      "\ufffd",
		`{"key":"a` + "\u009b" + `"}`: `{"key":"a\u009b"}`,
	} {
		var whole, parts bytes.Buffer
		n, err := plain(&whole).Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, len(text), n)
		require.Equal(t, want, whole.String())
		w := plain(&parts)
		for i := range len(text) {
			_, err := w.Write([]byte{text[i]})
			require.NoError(t, err)
		}
		require.Equal(t, want, parts.String())
	}
}

// TestTerminalScript requires that the script about terminals runs each command.
func TestTerminalScript(t *testing.T) {
	text, err := os.ReadFile("testdata/script/terminal.txtar")
	require.NoError(t, err)
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if look(sub); !sub.HasSubCommands() {
				require.Regexp(t, "(?m)^.*igniter.* "+regexp.QuoteMeta(sub.CommandPath()[len("igniter "):])+"\\b", string(text))
			}
		}
	}
	look((&app{}).rootCommand())
}
