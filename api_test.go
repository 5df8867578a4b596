// SPDX-License-Identifier: Apache-2.0

package igniter_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var updateAPI = flag.Bool("update", false, "write testdata/api again")

// TestAPI compares the exported API of each package with testdata/api, so that a change of it shows in review.
func TestAPI(t *testing.T) {
	for _, dir := range []string{
		"backend", "backend/backendtest", "backend/file", "backend/jetstream", "backend/memory", "backend/network", "backend/postgres",
		"backend/sequencer", "companion", "companion/companiontest", "server", "server/auth", "server/web", "store", "wire",
	} {
		t.Run(dir, func(t *testing.T) {
			golden := filepath.Join("testdata", "api", strings.ReplaceAll(dir, "/", "_")+".txt")
			got := exported(t, dir)
			if *updateAPI {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(string(want), got), "the API has changed: if it should, go test . -run TestAPI -update")
		})
	}
}

// exported returns the exported declarations of a package, without comments and bodies, in the order of the alphabet.
func exported(t *testing.T, dir string) string {
	t.Helper()
	set := token.NewFileSet()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var all []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
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
	require.NotEmpty(t, all)
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
