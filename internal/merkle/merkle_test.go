// SPDX-License-Identifier: Apache-2.0

package merkle_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/internal/merkle"
)

// TestRoot compares roots with golang.org/x/mod/sumdb/tlog, an implementation of the same tree. The leaves are added in
// different parts.
func TestRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, 300).Draw(t, "leaves")
		stored := map[int64]tlog.Hash{}
		read := tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, err error) {
			for _, i := range indexes {
				all = append(all, stored[i])
			}
			return all, nil
		})
		var whole merkle.Range
		for i := range n {
			body := fmt.Appendf(nil, "fact %d", i)
			hashes, err := tlog.StoredHashes(int64(i), body, read)
			require.NoError(t, err)
			for j, h := range hashes {
				stored[tlog.StoredHashIndex(0, int64(i))+int64(j)] = h
			}
			whole.Add(leaf(i, body))
		}
		want, err := tlog.TreeHash(int64(n), read)
		require.NoError(t, err)
		if n > 0 { // tlog says zeros for the empty tree
			require.Equal(t, merkle.Hash(want), whole.Root())
		}

		var joined merkle.Range
		for at := uint64(0); at < n; {
			end := rapid.Uint64Range(at+1, n).Draw(t, "end of a part")
			part := merkle.NewRange(at)
			for ; at < end; at++ {
				part.Add(leaf(at, fmt.Appendf(nil, "fact %d", at)))
			}
			text, err := json.Marshal(part)
			require.NoError(t, err)
			var again merkle.Range
			require.NoError(t, json.Unmarshal(text, &again))
			require.Equal(t, part, again)
			for _, node := range again.Nodes() {
				require.True(t, node.Valid())
			}
			joined.Join(&again)
			require.Equal(t, end, joined.End())
		}
		require.Equal(t, whole.Root(), joined.Root())
	})
}

func TestFill(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, end := rapid.Uint64Range(0, 100).Draw(t, "first"), rapid.Uint64Range(0, 300).Draw(t, "end")
		one, all := merkle.NewRange(first), merkle.NewRange(first)
		for at := first; at < end; at++ {
			one.Add(leaf(at, nil))
		}
		all.Fill(end)
		require.Equal(t, one, all)
	})
	far := merkle.NewRange(1)
	far.Fill(1 << 63)
	require.Len(t, far.Nodes(), 63)
}

func TestBadRange(t *testing.T) {
	for _, text := range []string{
		`{"first":0,"end":1,"hashes":""}`, `{"first":0,"end":0,"hashes":"AAAA"}`, `{"first":2,"end":1}`, `{"first":0,"end":1,"hashes":"?"}`,
		`{"first":0,"end":9223372036854775809}`, `[]`,
	} {
		require.Error(t, json.Unmarshal([]byte(text), new(merkle.Range)), text)
	}
}

func leaf(index uint64, data []byte) merkle.Node {
	return merkle.Node{First: index, Hash: merkle.Leaf(append([]byte{merkle.LeafPrefix}, data...))}
}

func BenchmarkAdd(b *testing.B) {
	body := make([]byte, 420)
	var r merkle.Range
	b.ReportAllocs()
	for b.Loop() {
		r.Add(merkle.Node{First: r.End(), Hash: merkle.Leaf(body)})
	}
}
