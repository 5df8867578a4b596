// SPDX-License-Identifier: Apache-2.0

package figures

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := Table{Unit: "facts/s", Columns: []string{"one", "three"}}
	table.Add("a", 0, 2994.4)
	table.Add("b", 0, 1_234_567)
	table.Add("b", 1, 76.6)
	require.Equal(t, "| facts/s | one | three |\n| --- | --- | --- |\n| a | 2,990 |  |\n| b | 1,230,000 | 77 |\n", table.String())
	table.Add("a", 1, 153.2)
	require.InDeltaSlice(t, []float64{2994.4 / 1_234_567, 2}, table.Ratios("a", "b"), 1e-9)
	require.Equal(t, "100,000", Text(99_999))
}

// TestValues: facts have the size that the pages name, and no two of their values are the same.
func TestValues(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for n := range 10_000 {
		f := backend.Fact{ID: backend.NewLogID().String(), Store: "tasks", Key: "t123", Value: Value(n)}
		require.NoError(t, f.Validate())
		require.False(t, seen[string(f.Value)], "%s", f.Value)
		seen[string(f.Value)] = true
		f.Seq, f.TransactionTime, f.ValueHash = uint64(1_000_000+n), time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC), "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92"
		require.InDelta(t, 420, len(wire.AppendFact(nil, &f)), 10)
	}
}
