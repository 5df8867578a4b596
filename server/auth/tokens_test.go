// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/server/auth"
)

// TestTokenFiles: files of tokens are read strictly.
func TestTokenFiles(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	other := strings.Repeat("cd", 32)
	for name, x := range map[string]struct{ text, wrong string }{
		"empty":           {"", "tokens"},
		"only comments":   {"# none yet\n", "tokens"},
		"empty list":      {"[]", ""},
		"YAML":            {"- name: a\n  sha256: " + sum + "\n  read: ['*']\n  write: [tasks]\n  admin: true\n", ""},
		"JSON":            {`[{"name":"a","sha256":"` + sum + `","read":["*"]}]`, ""},
		"comments":        {"# tokens\n- name: a # the first\n  sha256: " + strings.ToUpper(sum) + "\n", ""},
		"two":             {"- {name: a, sha256: " + sum + "}\n- {name: b, sha256: " + other + "}\n", ""},
		"unknown field":   {"- {name: a, sha256: " + sum + ", colour: blue}\n", "colour"},
		"misspelt field":  {"- {name: a, sha256: " + sum + ", reads: [a]}\n", "reads"},
		"no name":         {"- {sha256: " + sum + "}\n", "[0].name"},
		"no hash":         {"- {name: a}\n", "[0].sha256"},
		"short hash":      {"- {name: a, sha256: abcd}\n", "[0].sha256"},
		"hash of no hex":  {"- {name: a, sha256: " + strings.Repeat("xy", 32) + "}\n", "[0].sha256"},
		"name twice":      {"- {name: a, sha256: " + sum + "}\n- {name: a, sha256: " + other + "}\n", "[1].name"},
		"token twice":     {"- {name: a, sha256: " + sum + "}\n- {name: b, sha256: " + strings.ToUpper(sum) + "}\n", "[1].sha256"},
		"field twice":     {"- {name: a, sha256: " + sum + ", admin: false, admin: true}\n", "admin"},
		"no list":         {"name: a\nsha256: " + sum + "\n", "tokens"},
		"text":            {"hello", "tokens"},
		"read is no list": {"- {name: a, sha256: " + sum + ", read: tasks}\n", "tokens"},
		"admin is a text": {"- {name: a, sha256: " + sum + ", admin: perhaps}\n", "tokens"},
		"two documents":   {"- {name: a, sha256: " + sum + "}\n---\n- {name: b, sha256: " + other + "}\n", "document"},
		"unfinished":      {`[{"name":"a"`, "tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tokens")
			require.NoError(t, os.WriteFile(path, []byte(x.text), 0o600))
			_, err := auth.LoadTokens(path)
			if x.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, x.wrong)
			require.ErrorContains(t, err, path)
		})
	}
	_, err := auth.LoadTokens(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
