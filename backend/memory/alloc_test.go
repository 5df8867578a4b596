// SPDX-License-Identifier: Apache-2.0

//go:build !race

package memory

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// A write allocates the fact's bytes and its hash, and nothing else unless it fills in a causation; a page,
// its facts and their bytes.
func TestAllocations(t *testing.T) {
	l := New(Options{})
	defer l.Close()
	ids := make([]string, 3000)
	for i := range ids {
		ids[i] = fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", i)
	}
	f := backend.Fact{Store: "s", Value: []byte(`{"n":1}`)}
	n := 0
	write := func() {
		f.ID, f.Key = ids[n], ids[n]
		n++
		if _, err := l.WriteFact(t.Context(), f); err != nil {
			t.Error(err)
		}
	}
	for range 1000 {
		write()
	}
	ctx := t.Context()
	require.LessOrEqual(t, testing.AllocsPerRun(1000, write), 2.0)
	require.Less(t, testing.AllocsPerRun(10, func() {
		for _, err := range l.Replay(ctx, backend.Range{}) {
			if err != nil {
				t.Error(err)
			}
		}
	}), 40.0)
}
