package file

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/sequencer"
)

// TestIndexKeepsLatestIDs has an index of more facts than it keeps IDs of, and one that takes in another:
// both keep the latest ones, at least as many as they should, and at most twice that.
func TestIndexKeepsLatestIDs(t *testing.T) {
	const latest, facts = 100, 1234
	seqs := func(x *indexer) (seqs []uint64) {
		p := &piece{name: segmentName(1), first: 1, last: x.last, facts: x.facts, size: 1}
		of, err := memoryIndex(p, x.encode(header{FirstSeq: 1, CreatedAt: []byte("1"), File: p.name, Size: p.size}))
		require.NoError(t, err)
		require.NoError(t, of.ids(func(ids []sequencer.Loaded) {
			for _, id := range ids {
				require.Equal(t, sequencer.IDOf(newFact(int(id.Seq)).ID), id.ID)
				seqs = append(seqs, id.Seq)
			}
		}))
		if x.latest == latest {
			y := newIndexer()
			y.latest = 1
			require.NoError(t, y.takeIndex(of))
			require.LessOrEqual(t, y.ids.count+y.older.count, 2)
			require.Equal(t, x.facts, y.facts)
		}
		return seqs
	}
	x := newIndexer()
	x.latest = latest
	for n := 1; n <= facts; n++ {
		f := newFact(n)
		f.Seq = uint64(n)
		x.add(&f)
		if n%97 > 0 && n < facts {
			continue
		}
		kept := seqs(x)
		require.GreaterOrEqual(t, len(kept), min(n, latest))
		require.LessOrEqual(t, len(kept), 2*latest)
		require.EqualValues(t, n, kept[len(kept)-1])
		require.EqualValues(t, n+1-len(kept), kept[0])
		require.True(t, slices.IsSorted(kept))
	}
	require.NotZero(t, x.older.count)
}
