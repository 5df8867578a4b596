// SPDX-License-Identifier: Apache-2.0

package backendtest_test

import (
	"context"
	"slices"
	"testing"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
)

// openLog stands in for the constructor of the backend under test.
func openLog(dir string) (backend.Backend, error) {
	return backend.Open(context.Background(), "mine", backend.Config{Path: dir})
}

// The tests of a backend run the suite, with options for the features that it lacks.
func ExampleRun() {
	open := func(t testing.TB, dir string) backend.Backend {
		b, err := openLog(dir)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}

	// In a file of the backend's package whose name ends in _test.go:
	TestBackend := func(t *testing.T) {
		opts := &backendtest.Options{NoLimit: true}
		want := []string{"batch-too-large", "value-too-large"}
		if got := backendtest.Skipped(opts); !slices.Equal(got, want) {
			t.Errorf("the suite skips %q", got)
		}
		backendtest.Run(t, open, opts)
	}
	BenchmarkBackend := func(b *testing.B) {
		backendtest.Benchmark(b, open)
	}

	_, _ = TestBackend, BenchmarkBackend
}
