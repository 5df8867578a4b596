// SPDX-License-Identifier: Apache-2.0

package igniter_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLicence wants the licence in the first lines of each file of code. Of the inspector's modules, which browsers load and which
// must stay small, main.js has it for all.
func TestLicence(t *testing.T) {
	t.Parallel()
	const id = "SPDX-License-Identifier: Apache-2.0"
	comment := map[string]string{ // by extension or name
		".go": "// ", ".js": "// ", ".mjs": "// ", ".css": "/* ", ".html": "<!-- ", ".sql": "-- ",
		".py": "# ", ".sh": "# ", "Dockerfile": "# ", "run": "# ", "release": "# ",
	}
	files := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == ".git" || name == "testdata" || name == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		mark, isCode := comment[filepath.Ext(path)]
		if mark == "" {
			mark, isCode = comment[d.Name()]
		}
		if module, err := filepath.Match("server/web/ui/*.js", filepath.ToSlash(path)); err != nil || module && d.Name() != "main.js" {
			return err
		}
		if !isCode || !d.Type().IsRegular() {
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Contains(text[:min(len(text), 200)], []byte(mark+id)) {
			t.Errorf("%s: want a line with %q at the beginning", path, mark+id)
		}
		return nil
	}))
	require.Greater(t, files, 100)
}
