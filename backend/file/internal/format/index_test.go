// SPDX-License-Identifier: Apache-2.0

package format

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// TestIndexHasAllIDs checks an index of some frames, and an index to which another was added. An index of an earlier
// release, with only the latest IDs, is not used.
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
	require.NoError(t, y.addIndex(of))
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

// TestIndexSpills builds an index that is too large for memory. It has the same entries as another index; a key may occur
// several times, its latest fact last. If the file fails, Write returns the error.
func TestIndexSpills(t *testing.T) {
	defer func(blocks, keys int) { MaxIndexBlocks, MaxIndexKeys = blocks, keys }(MaxIndexBlocks, MaxIndexKeys)
	MaxIndexBlocks, MaxIndexKeys = 1, 100
	const facts = 60_000
	fact := func(n uint64) backend.Fact {
		id := fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", n)
		if n%7 == 0 {
			id = fmt.Sprint("odd-", n)
		}
		return backend.Fact{Seq: n, ID: id, Store: fmt.Sprint("store", n%3), Key: fmt.Sprint(n * n % 1009)}
	}
	of := &File{Name: "00000000000000000001.wal", First: 1, Last: facts, Facts: facts, Size: 1 << 24}
	for n := range uint64(100) {
		of.Mark(n*600+1, int64(n+1)*100_000)
	}
	read := func(x *Index) (ids []sequencer.Loaded, keys map[[2]string]sequencer.Loaded) {
		points, err := x.Points()
		require.NoError(t, err)
		require.Equal(t, of.Points, points)
		require.NoError(t, x.IDs(func(some []sequencer.Loaded) { ids = append(ids, some...) }))
		keys = map[[2]string]sequencer.Loaded{}
		require.NoError(t, x.Keys(func(some []sequencer.Loaded) {
			for _, k := range some {
				require.Greater(t, k.Seq, keys[[2]string{k.Store, k.Key}].Seq)
				keys[[2]string{k.Store, k.Key}] = k
			}
		}))
		return ids, keys
	}
	build := func(spill func() (ReadWriter, error), add func(x *IndexBuilder)) *IndexBuilder {
		x := NewIndexBuilder()
		x.Spill = spill
		add(x)
		return x
	}
	all := func(x *IndexBuilder) {
		for n := uint64(1); n <= facts; n++ {
			x.Add([]backend.Fact{fact(n)})
		}
	}
	whole := build(nil, all).Encode(of, time.Unix(1, 0))
	want, err := OpenIndex(bytes.NewReader(whole), int64(len(whole)), "whole", of)
	require.NoError(t, err)
	ids, keys := read(want)
	require.Len(t, ids, facts)

	from := want
	for range 2 { // from facts, and from an index that was spilled
		f, err := vfstest.New().Create("index")
		require.NoError(t, err)
		x := build(func() (ReadWriter, error) { return f, nil }, func(x *IndexBuilder) {
			if from == want {
				all(x)
				require.Less(t, len(x.ids), 3)
				require.LessOrEqual(t, x.keys.Len(), MaxIndexKeys)
				return
			}
			require.NoError(t, x.addIndex(from))
		})
		size, err := x.Write(f, of, time.Unix(1, 0))
		require.NoError(t, err)
		end, err := f.Size()
		require.NoError(t, err)
		require.Equal(t, end, size)
		from, err = OpenIndex(f, size, "spilled", of)
		require.NoError(t, err)
		gotIDs, gotKeys := read(from)
		require.Equal(t, ids, gotIDs)
		require.Equal(t, keys, gotKeys)
	}

	f, err := vfstest.New().Create("index")
	require.NoError(t, err)
	x := build(nil, func(*IndexBuilder) {})
	all(x)
	size, err := x.Write(f, of, time.Unix(1, 0))
	require.NoError(t, err)
	got := make([]byte, size)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, whole, got)

	failed := errors.New("no file")
	x = build(func() (ReadWriter, error) { return nil, failed }, all)
	require.Less(t, len(x.ids), 3)
	_, err = x.Write(f, of, time.Unix(1, 0))
	require.ErrorIs(t, err, failed)
}
