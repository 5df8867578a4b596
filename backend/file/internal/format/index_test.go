package format

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// TestIndexHasAllIDs looks into an index of some frames, and into one that takes in another. An index with the latest IDs
// only, as earlier releases made it, is not used.
func TestIndexHasAllIDs(t *testing.T) {
	const facts = 50_000
	id := func(n uint64) string { return fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", n) }
	open := func(x *IndexBuilder) (*Index, error) {
		f := &File{Name: "00000000000000000001.wal", First: 1, Last: x.last, Facts: x.facts, Size: 1 << 20}
		data := x.Encode(f, time.Unix(1, 0))
		return OpenIndex(bytes.NewReader(data), int64(len(data)), f.Name, f)
	}
	x := NewIndexBuilder()
	for n := uint64(1); n <= facts; n++ {
		x.Add([]backend.Fact{{Seq: n, ID: id(n), Store: []string{"tasks", "notes"}[n%2], Key: fmt.Sprint(n % 1000)}})
	}
	require.Greater(t, len(x.ids), 2)
	of, err := open(x)
	require.NoError(t, err)
	y := NewIndexBuilder()
	require.NoError(t, y.AddIndex(of))
	of, err = open(y)
	require.NoError(t, err)
	next := uint64(1)
	require.NoError(t, of.IDs(func(ids []sequencer.Loaded) {
		for _, loaded := range ids {
			require.Equal(t, sequencer.Loaded{Store: []string{"tasks", "notes"}[next%2], Seq: next, ID: sequencer.IDOf(id(next))}, loaded)
			next++
		}
	}))
	require.EqualValues(t, facts+1, next)

	y.ids, y.count = y.ids[:1], y.count-1
	_, err = open(y)
	require.ErrorIs(t, err, ErrNoIndex)
}
