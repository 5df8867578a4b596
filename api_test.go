// SPDX-License-Identifier: Apache-2.0

package igniter_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var updateAPI = flag.Bool("update", false, "write testdata/api again")

// TestAPI compares the exported API of each package that others can import with testdata/api, so that a change of it shows
// in review.
func TestAPI(t *testing.T) {
	var golden []string
	for _, dir := range public(t) {
		name := strings.ReplaceAll(dir, "/", "_") + ".txt"
		golden = append(golden, name)
		t.Run(dir, func(t *testing.T) {
			path := filepath.Join("testdata", "api", name)
			got := exported(t, dir)
			if *updateAPI {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(string(want), got), "the API has changed: if it should, go test . -run TestAPI -update")
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "api"))
	require.NoError(t, err)
	for _, f := range files {
		require.Contains(t, golden, f.Name(), "no package has this API")
	}
}

// public returns the directories of the packages that are libraries, and not internal, of all modules but bench.
func public(t *testing.T) (dirs []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == "." {
			return err
		}
		switch name := d.Name(); {
		case name == "internal" || name == "testdata" || name == "node_modules" || strings.HasPrefix(name, "."),
			path == "bench" || path == "cmd" || path == "docs" || path == "examples":
			return fs.SkipDir
		}
		if len(sources(t, path)) > 0 && exported(t, path) != "" {
			dirs = append(dirs, filepath.ToSlash(path))
		}
		return nil
	}))
	return dirs
}

// sources returns the Go files of a directory, without its tests.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// exported returns the exported declarations of a package, without comments and bodies, in the order of the alphabet.
func exported(t *testing.T, dir string) string {
	t.Helper()
	set := token.NewFileSet()
	var all []string
	for _, name := range sources(t, dir) {
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.FileExports(f)
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if f.Recv != nil && !receiver(f.Recv.List[0].Type) {
					continue
				}
				f.Body = nil
			}
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
				continue
			}
			var text bytes.Buffer
			require.NoError(t, (&printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 8}).Fprint(&text, set, d))
			all = append(all, text.String())
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return strings.Join(all, "\n") + "\n"
}

// receiver reports whether methods of a type are exported.
func receiver(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.IsExported()
	}
	return false
}
