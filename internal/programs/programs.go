// SPDX-License-Identifier: Apache-2.0

// Package programs is for tests. It builds programs of this repository, and runs them.
package programs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Build builds the program in a directory of this repository, and returns its path. The test is skipped if the directory is not
// there.
func Build(t testing.TB, dir string) string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the program is not here: %v", err)
	}
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", dir, err, text)
	}
	return path
}

// Run runs a program with a text as its input, and returns its output. An error fails the test.
func Run(t testing.TB, path, in string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.Bytes())
	}
	return string(out)
}

// Config writes a configuration of a log, in YAML, to a file, and returns its path.
func Config(t testing.TB, backend, address, log string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "igniter.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, "backend: %s\naddress: %q\nsettings:\n  log: %s\n", backend, address, log), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
