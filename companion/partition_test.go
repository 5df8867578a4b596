// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// A partition that is asked for events after a seq which the log does not have says so, as all loops do.
func TestPartitionBeyondTheEnd(t *testing.T) {
	app, err := companion.Open(t.Context(), companion.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	type sale struct {
		Customer string `json:"customer"`
	}
	sales, err := companion.NewEvents[sale](app, "sales")
	require.NoError(t, err)
	by, err := sales.Partition("customer")
	require.NoError(t, err)
	_, err = sales.Append(t.Context(), sale{"ana"})
	require.NoError(t, err)
	for after, want := range map[uint64]error{0: nil, app.Head(): nil, app.Head() + 1: backend.ErrDiverged} {
		var got error
		for _, err := range by.Since(t.Context(), "ana", after) {
			got = err
		}
		require.ErrorIs(t, got, want, after)
	}
}

// Partitions and relations leave out values that can't be upcast, and say how many these are.
func TestPartitionUndecoded(t *testing.T) {
	app, err := companion.Open(t.Context(), companion.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	type sale struct {
		Customer string `json:"customer"`
	}
	sales, err := companion.NewEvents[sale](app, "sales")
	require.NoError(t, err)
	customers, err := companion.NewRecords[sale](app, "customers")
	require.NoError(t, err)
	records, err := companion.NewRecords[sale](app, "carts")
	require.NoError(t, err)
	require.NoError(t, app.Engine().Upcast("sales"))
	require.NoError(t, app.Engine().Upcast("carts"))
	by, err := sales.Partition("customer")
	require.NoError(t, err)
	of, err := companion.NewRelation(customers, records, "customer")
	require.NoError(t, err)
	require.NoError(t, by.Undecoded(t.Context()))
	require.NoError(t, of.Undecoded(t.Context()))
	for _, name := range []string{"sales", "carts"} {
		for version := range 3 { // 1 is known
			_, err := app.Engine().Write(t.Context(), backend.Fact{Store: name, Key: string(rune('a' + version)), Value: []byte(`{"customer":"ana"}`), SchemaVersion: version + 1})
			require.NoError(t, err)
		}
	}
	n := 0
	for _, err := range by.Since(t.Context(), "ana", 0) {
		require.NoError(t, err)
		n++
	}
	for _, err := range of.Many(t.Context(), "ana", companion.Moment{}) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 2, n)
	for _, err := range []error{by.Undecoded(t.Context()), of.Undecoded(t.Context())} {
		var undecoded *companion.UndecodedError
		require.ErrorAs(t, err, &undecoded)
		require.Equal(t, 2, undecoded.Count)
	}
}
