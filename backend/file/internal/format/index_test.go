package format

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// TestIndexKeepsLatestIDs has an index of more facts than it keeps IDs of, and one that takes in another:
// both keep the latest IDs, at least as many as they should and at most twice that.
func TestIndexKeepsLatestIDs(t *testing.T) {
	const keep, facts = 100, 1234
	id := func(n uint64) string { return fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", n) }
	seqs := func(x *IndexBuilder) (seqs []uint64) {
		f := &File{Name: "00000000000000000001.wal", First: 1, Last: x.last, Facts: x.facts, Size: 1}
		data := x.Encode(f, time.Unix(1, 0))
		of, err := OpenIndex(bytes.NewReader(data), int64(len(data)), f.Name, f)
		require.NoError(t, err)
		require.NoError(t, of.IDs(func(ids []sequencer.Loaded) {
			for _, loaded := range ids {
				require.Equal(t, sequencer.IDOf(id(loaded.Seq)), loaded.ID)
				seqs = append(seqs, loaded.Seq)
			}
		}))
		y := NewIndexBuilder()
		y.keep = 1
		require.NoError(t, y.AddIndex(of))
		require.LessOrEqual(t, y.ids.count+y.older.count, 2)
		require.Equal(t, x.facts, y.facts)
		return seqs
	}
	x := NewIndexBuilder()
	x.keep = keep
	for n := uint64(1); n <= facts; n++ {
		x.Add([]backend.Fact{{Seq: n, ID: id(n), Store: "tasks", Key: fmt.Sprint(n % 1000)}})
		if n%97 > 0 && n < facts {
			continue
		}
		kept := seqs(x)
		require.GreaterOrEqual(t, len(kept), min(int(n), keep))
		require.LessOrEqual(t, len(kept), 2*keep)
		require.Equal(t, n, kept[len(kept)-1])
		require.EqualValues(t, int(n)+1-len(kept), kept[0])
		require.True(t, slices.IsSorted(kept))
	}
	require.NotZero(t, x.older.count)
}
