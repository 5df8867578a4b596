// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	shellBlock = regexp.MustCompile("(?ms)^```(?:sh|console)\n(.*?)^```$")
	codeSpan   = regexp.MustCompile("`(igniter [a-z][^`]+)`")
	// command is what a line, or what comes after a pipe, has up to the end of the command or to a comment.
	command = regexp.MustCompile(`(?m)(?:^|[|(] ?)(?:\$ )?(igniter (?:'[^']*'|[^\n#&|;<>()'])+)`)
	// word is quoted or has no space. Both kinds may follow each other, as in --path='a b'.
	word = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
)

// TestPages checks that the commands of the pages exist, with the flags and as many arguments as they are shown with.
func TestPages(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/guide/*.md"} {
		some, err := filepath.Glob(pattern)
		require.NoError(t, err)
		pages = append(pages, some...)
	}
	checked := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			for _, line := range command.FindAllStringSubmatch(strings.ReplaceAll(block[1], "\\\n", " "), -1) {
				checkCommand(t, page, line[1], true)
				checked++
			}
		}
		for _, span := range codeSpan.FindAllStringSubmatch(string(text), -1) {
			line, _, _ := strings.Cut(span[1], "|")
			checkCommand(t, page, line, false)
			checked++
		}
	}
	require.Greater(t, checked, 50)
}

func checkCommand(t *testing.T, page, line string, whole bool) {
	t.Helper()
	words := word.FindAllString(line, -1)[1:]
	for i := range words {
		words[i] = strings.NewReplacer("'", "", `"`, "").Replace(words[i])
	}
	root := (&app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(words)
	if err == nil && cmd == root {
		err = errors.New("no command")
	}
	if err == nil {
		cmd.InitDefaultHelpFlag()
	}
	switch {
	case err != nil:
	case whole:
		if err = cmd.ParseFlags(rest); err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
	default: // the name of a command, perhaps with flags, whose values may be left out
		for _, arg := range rest {
			name, isFlag := strings.CutPrefix(strings.SplitN(arg, "=", 2)[0], "--")
			if isFlag && cmd.Flag(name) == nil {
				err = fmt.Errorf("there is no flag --%s", name)
			}
		}
	}
	if err != nil {
		t.Errorf("%s: %s: %v", page, line, err)
	}
}
