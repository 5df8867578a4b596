// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExamples checks that everything exported has an example that go test runs: a function an example of its own;
// a type an example of its own, of a function that returns it, or of a method; a method a call in an example of its
// type; a constant or variable a use in any example.
func TestExamples(t *testing.T) {
	for _, dir := range []string{".", "companiontest", "../store"} {
		p := parsePackage(t, dir)
		missing := func(kind, name string) { t.Errorf("%s: no example shows %s %s", p.Name, kind, name) }
		all := slices.Clone(p.Examples)
		for _, f := range p.Funcs {
			all = append(all, f.Examples...)
			if len(tested(f.Examples)) == 0 {
				missing("function", f.Name)
			}
		}
		values := slices.Concat(p.Consts, p.Vars)
		for _, typ := range p.Types {
			values = slices.Concat(values, typ.Consts, typ.Vars)
			of := slices.Clone(typ.Examples)
			for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
				of = append(of, f.Examples...)
			}
			all = append(all, of...)
			if len(tested(of)) == 0 {
				missing("type", typ.Name)
			}
			for _, f := range typ.Funcs {
				if len(tested(f.Examples)) == 0 {
					missing("function", f.Name)
				}
			}
			for _, m := range typ.Methods {
				if !calledByOthers[m.Name] && !uses(of, m.Name) {
					missing("method", typ.Name+"."+m.Name)
				}
			}
		}
		for _, v := range values {
			for _, name := range v.Names {
				if token.IsExported(name) && !uses(all, name) {
					missing("value", name)
				}
			}
		}
		require.NotEmpty(t, tested(all))
	}
}

// Methods that fmt, errors, encoders and decoders call.
var calledByOthers = map[string]bool{"String": true, "Error": true, "Unwrap": true, "UnmarshalJSON": true, "UnmarshalYAML": true, "UnmarshalTOML": true,
	"MarshalJSON": true, "MarshalText": true, "UnmarshalText": true,
}

func parsePackage(t *testing.T, dir string) *doc.Package {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	p, err := doc.NewFromFiles(fset, files, dir)
	require.NoError(t, err)
	return p
}

// tested returns the examples that go test runs.
func tested(examples []*doc.Example) []*doc.Example {
	return slices.DeleteFunc(slices.Clone(examples), func(e *doc.Example) bool { return e.Output == "" && !e.EmptyOutput })
}

// uses reports whether one of the examples selects name, as in s.Close or companion.ErrNotFound.
func uses(examples []*doc.Example, name string) bool {
	found := false
	for _, e := range tested(examples) {
		ast.Inspect(e.Code, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			found = found || ok && s.Sel.Name == name
			return true
		})
	}
	return found
}
