// SPDX-License-Identifier: Apache-2.0

// Package docs checks the pages of the documentation.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

// A block of code of a page, and the file that it is taken from: the comment before it names that.
type block struct {
	language, text, from string
}

var fence = regexp.MustCompile("(?ms)^(?:<!-- ([^\n]+?) -->\n)?```(\\w+)\n(.*?)^```$")

func blocks(t *testing.T, page string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		all = append(all, block{from: m[1], language: m[2], text: m[3]})
	}
	return all
}

// lines returns the lines of a text without indentation and line ends, so that a page may move code to the left.
func lines(text string) (all []string) {
	for line := range strings.SplitSeq(text, "\n") {
		all = append(all, strings.TrimSpace(line))
	}
	return all
}

// code returns the lines of a text that are code: trimmed, and without the comments with which a page explains them.
func code(text string) (all []string) {
	for _, line := range lines(text) {
		line, _, _ = strings.Cut(line, " // ")
		line, _, _ = strings.Cut(line, " -- ")
		if line = strings.TrimSpace(line); line != "" && line != "…" {
			all = append(all, line)
		}
	}
	return all
}

// TestBlocks checks that the code of the guide and the README stands in a file that is compiled or run by a test.
func TestBlocks(t *testing.T) {
	pages, err := filepath.Glob("guide/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	for _, page := range append(pages, "../README.md") {
		for _, b := range blocks(t, page) {
			if !strings.Contains(page, "guide/") && b.from == "" && b.language != "go" {
				continue
			}
			require.NotEmpty(t, b.from, "%s: a block without the file that it is from:\n%s", page, b.text)
			source, err := os.ReadFile(filepath.Join("..", b.from))
			require.NoError(t, err, page)
			whole := strings.Join(lines(string(source)), "\n")
			parts := []string{strings.Join(lines(strings.TrimSpace(b.text)), "\n")}
			if b.language == "console" {
				parts = nil
				for _, line := range lines(strings.TrimSpace(b.text)) {
					parts = append(parts, strings.TrimPrefix(line, "$ "))
				}
			}
			for _, part := range parts {
				require.Contains(t, whole, part, "%s: not as in %s", page, b.from)
			}
		}
	}
}

// TestExcerpts checks that each line of the Go and SQL of the other pages stands in a file that is compiled or run by a
// test; "…" stands for what a page leaves out. Package examples/backend checks the page about it.
func TestExcerpts(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	checked := 0
	for _, page := range append(pages, "../CONTRIBUTING.md") {
		for _, b := range blocks(t, page) {
			if page == "writing-a-backend.md" || b.language != "go" && b.language != "sql" {
				continue
			}
			require.NotEmpty(t, b.from, "%s: a block without the file that it is from:\n%s", page, b.text)
			source, err := os.ReadFile(filepath.Join("..", b.from))
			require.NoError(t, err, page)
			whole := strings.Join(code(string(source)), "\n")
			for _, line := range code(b.text) {
				if b.language == "sql" { // the page has a role of its own
					line = strings.TrimSuffix(strings.ReplaceAll(line, " app", " ig_writer"), ";")
				}
				require.Contains(t, whole, line, "%s: not as in %s", page, b.from)
			}
			checked++
		}
	}
	require.GreaterOrEqual(t, checked, 5)
}

// TestOptions reads the YAML that opens a backend as an app does, which refuses what it does not know.
func TestOptions(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	read := 0
	for _, page := range pages {
		for _, b := range blocks(t, page) {
			if b.language != "yaml" || !strings.HasPrefix(b.text, "backend:") {
				continue
			}
			file := filepath.Join(t.TempDir(), "store.yaml")
			require.NoError(t, os.WriteFile(file, []byte(b.text), 0o600))
			_, err := companion.ReadOptions(file)
			require.NoError(t, err, "%s:\n%s", page, b.text)
			read++
		}
	}
	require.GreaterOrEqual(t, read, 2)
}

// Links between pages, and from pages to files.
var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "guide/*.md", "../*.md"} {
		some, err := filepath.Glob(pattern)
		require.NoError(t, err)
		pages = append(pages, some...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		prose := fence.ReplaceAllString(string(text), "")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			require.NoError(t, err, "%s: a link to %s", page, m[1])
		}
	}
}

// TestClone: a module takes the package from a clone in the way that the README says.
func TestClone(t *testing.T) {
	clone, err := filepath.Abs("..")
	require.NoError(t, err)
	app := t.TempDir()
	source, err := os.ReadFile("../examples/hello/main.go")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(app, "main.go"), source, 0o644))
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, steps, found := strings.Cut(string(readme), "once its code imports package companion,\n\n")
	require.True(t, found)
	steps, _, _ = strings.Cut(steps, "\n\n")
	for _, step := range append([]string{"go mod init example.org/app"}, append(lines(strings.ReplaceAll(steps, "PATH/OF/THE/CLONE", clone)), "go list -deps .")...) {
		args := strings.Fields(step)
		c := exec.Command(args[0], args[1:]...)
		c.Dir, c.Env = app, append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOSUMDB=off")
		text, err := c.CombinedOutput()
		require.NoError(t, err, "%s: %s", step, text)
	}
}
