package store

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The numbers are those of a sorted list, in whatever order they come and go.
func TestNumbers(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	for _, limit := range []int{500, 20_000} {
		var s numbers
		var want []uint32
		for _, share := range []int{100, 60, 20, 0} { // of numbers that are added, in percent
			for i := range 2 * limit {
				n := uint32(draw.IntN(limit))
				if share == 100 || share == 0 {
					n = uint32(i)
				}
				if draw.IntN(100) < share {
					s.add(n)
					want = insert(want, n)
				} else {
					s.remove(n)
					want = remove(want, n)
				}
				require.Equal(t, len(want) == 0, s.empty())
			}
			require.True(t, slices.Equal(want, s.appendTo(nil)))
			for _, b := range s.many {
				require.NotEmpty(t, b)
				require.LessOrEqual(t, len(b), maxBlock)
			}
		}
		require.True(t, s.empty())
	}
}
