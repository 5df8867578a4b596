// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestHashTable compares a table with a map, with hashes that clash and wrap around.
func TestHashTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table hashTable
		want := map[uint64]uint64{} // number to hash
		hashes := rapid.SampledFrom([]uint64{0, 1 << 24, 1 << 55, 1<<56 - 1, 1<<56 - 1<<25, 1 << 56, 1<<64 - 1})
		base := rapid.SampledFrom([]uint64{1, 1000, 1 << 40}).Draw(t, "base")
		numbers := rapid.Uint64Range(base, base+200)
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			n, hash := numbers.Draw(t, "number"), hashes.Draw(t, "hash")
			if len(want) == 0 {
				n = base
			}
			before, held := want[n]
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				require.Equal(t, held && before == hash, table.remove(hash, n))
				if held && before == hash {
					delete(want, n)
				}
			case 1:
				far := n + uint64(1+rapid.IntRange(0, 2).Draw(t, "far"))<<32
				require.False(t, table.remove(hash, far), "it is not there")
				require.False(t, table.remove(hash, base-1))
			case 2:
				table.reserve(rapid.IntRange(0, 10_000).Draw(t, "room"))
			case 3:
				gone := func(n uint64) bool { return n%3 == hash%3 }
				part := int(hash >> 56)
				table.removeAll(part, gone)
				maps.DeleteFunc(want, func(n, hash uint64) bool { return int(hash>>56) == part && gone(n) })
			default:
				if !held {
					table.add(hash, n)
					want[n] = hash
				}
			}
			if len(want) == 0 {
				table = hashTable{} // so that base is the first number again
			}
			got := map[uint64]uint64{}
			for _, hash := range slices.Sorted(maps.Values(want)) {
				table.find(hash, func(n uint64) bool { got[n] = hash; return true })
			}
			require.Equal(t, want, got)
			require.Equal(t, len(want), table.used)
		}
	})
}
