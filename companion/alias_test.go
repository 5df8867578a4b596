// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

// TestAliases: go doc shows no fields of an alias, so that its comment names them all.
func TestAliases(t *testing.T) {
	types := map[string]reflect.Type{}
	for _, v := range []any{companion.Moment{}, companion.Query{}, companion.Health{}, companion.OpenProgress{},
		companion.FactRef{}, companion.Lineage{}, companion.Retention{}, companion.Compaction{}} {
		types[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "alias.go", nil, parser.ParseComments)
	require.NoError(t, err)
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		name := g.Specs[0].(*ast.TypeSpec).Name.Name
		require.Contains(t, types, name)
		for i := range types[name].NumField() {
			if f := types[name].Field(i); f.IsExported() {
				require.Regexp(t, `(?m)^\s.*\b`+f.Name+`\b`, g.Doc.Text(), name)
			}
		}
		delete(types, name)
	}
	require.Empty(t, types)
}
