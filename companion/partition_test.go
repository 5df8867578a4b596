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
