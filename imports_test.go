// SPDX-License-Identifier: Apache-2.0

package igniter_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/igniter-store/igniter"

// A layer is what the packages that fit pkg may import.
type layer struct {
	pkg     string
	imports []string // packages of this module
	only    []string // what else, beyond the standard library; nil: anything
}

// layers has a line for each package, all without the module's path; "/..." stands for a package
// and all below it. The first line that fits is a package's rule.
var layers = []layer{
	{"", []string{}, []string{}},
	{"internal/protocol", []string{"backend", "wire", "internal/jsonvalue", "internal/seqrange", "internal/uuidtext"}, []string{}},
	{"internal/linear", []string{"backend"}, []string{"github.com/anishathalye/porcupine"}},
	{"internal/model", []string{"store", "backend", "backend/network", "server", "server/auth", "internal/seqrange"}, []string{"github.com/google/go-cmp/cmp", "github.com/stretchr/testify/require", "go.uber.org/zap", "pgregory.net/rapid"}},
	{"internal/gone", []string{"backend"}, []string{"github.com/stretchr/testify/require"}},
	{"internal/wiretest", []string{"backend", "wire", "internal/protocol"}, []string{"github.com/stretchr/testify/require"}},
	{"internal/servertest", []string{"backend", "server"}, []string{"github.com/stretchr/testify/require"}},
	{"internal/...", []string{}, []string{}},
	{"backend", []string{"internal/jsonvalue", "internal/ctxsync", "internal/uuidtext"}, []string{"go.uber.org/zap", "github.com/google/uuid"}},
	{"backend/backendtest", []string{"backend"}, []string{"github.com/google/go-cmp/cmp"}},
	{"wire", []string{"backend", "internal/jsonvalue"}, []string{}},
	{"backend/sequencer", []string{"backend", "wire", "internal/..."}, []string{}},
	{"backend/file/...", []string{"backend", "wire", "backend/sequencer", "internal/...", "backend/file", "backend/file/internal/..."}, nil},
	{"backend/...", []string{"backend", "wire", "backend/sequencer", "internal/..."}, nil},
	{"server/auth", []string{"backend", "internal/plaintext"}, []string{"github.com/goccy/go-yaml", "go.uber.org/zap"}},
	{"query", []string{"backend", "wire", "internal/jsonvalue"}, []string{}},
	{"server/web", []string{"server", "server/auth", "backend", "wire", "query", "internal/..."}, nil},
	{"server/...", []string{"server/auth", "backend", "wire", "internal/..."}, nil},
	{"store/reader", []string{"store", "query", "backend", "wire", "internal/jsonvalue", "internal/ctxsync"}, nil},
	{"store/...", []string{"backend", "wire", "internal/jsonvalue", "internal/uuidtext", "internal/ctxsync", "internal/seqrange", "internal/hugepage"}, nil}, // of wire the canonical form and the hash of values, which are the codec's
	{"companion/companiontest", []string{"companion", "store", "backend", "backend/memory"}, []string{}},
	{"companion/...", []string{"store/...", "backend", "internal/jsonvalue", "backend/memory", "backend/file", "backend/network"}, nil},
	{"cmd/...", []string{"..."}, nil},
	{"examples/...", []string{"..."}, nil},
	{"docs/...", []string{"..."}, nil},
}

func fits(pattern, pkg string) bool {
	prefix, all := strings.CutSuffix(pattern, "...")
	if !all {
		return pattern == pkg
	}
	return strings.HasPrefix(pkg+"/", prefix)
}

// TestImports keeps imports pointing one way, as the files really have them, on every system.
func TestImports(t *testing.T) {
	packages := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), ".")
				packages[pkg] = true
				checkImports(t, pkg, path)
			}
			return err
		}
		_, apart := os.Stat(filepath.Join(path, "go.mod")) // a module of its own has its own rules
		if d.Name() == "testdata" || path != "." && (strings.HasPrefix(d.Name(), ".") || apart == nil) {
			return fs.SkipDir
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(packages), 8)
}

func checkImports(t *testing.T, pkg, path string) {
	rule := slices.IndexFunc(layers, func(l layer) bool { return fits(l.pkg, pkg) })
	if rule < 0 {
		t.Errorf("package %q has no place in the layers", pkg)
		return
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	require.NoError(t, err)
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if local, ok := strings.CutPrefix(imported, module+"/"); ok {
			if !slices.ContainsFunc(layers[rule].imports, func(pattern string) bool { return fits(pattern, local) }) {
				t.Errorf("%s imports %s, which is not below it", path, local)
			}
		} else if only := layers[rule].only; only != nil && strings.Contains(imported, ".") && !slices.Contains(only, imported) {
			t.Errorf("%s imports %s, and may import the standard library and %q only", path, imported, only)
		}
	}
}

// TestMethodsByName keeps calls of methods by names that are not constant out of what apps import: the linker would keep
// every exported method of the program, which makes it a quarter larger.
func TestMethodsByName(t *testing.T) {
	call := regexp.MustCompile(`\.(MethodByName\([^"]|Method\()`)
	for _, pkg := range []string{"backend", "backend/*", "companion", "internal/*", "query", "server", "server/*", "store", "store/*", "wire"} {
		files, err := filepath.Glob(pkg + "/*.go")
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "backend/backendtest/") {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NotRegexp(t, call, string(text), file)
		}
	}
}
