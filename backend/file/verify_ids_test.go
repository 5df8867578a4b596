// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestVerifyDoubled verifies a log that holds IDs twice, as a log of an earlier release may. The open log treats each such
// ID as known, and pruning the later facts corrects it.
func TestVerifyDoubled(t *testing.T) {
	dir := t.TempDir()
	var facts []backend.Fact
	for n, id := range []string{"a", "b", "c", "a", "d", "c", "a"} {
		facts = append(facts, backend.Fact{Seq: uint64(n) + 3, ID: id, Store: "s", Key: id, Value: []byte("1"), ValueHash: "h", TransactionTime: time.Unix(1, 0)})
	}
	_, err := Restore(t.Context(), Options{Path: dir}, nil, func(yield func(backend.Page, error) bool) {
		for _, f := range facts {
			if !yield(backend.Page{Facts: []backend.Fact{f}, Through: backend.Cursor{Seq: f.Seq}}, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	r, err := Verify(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, r.Damage)
	require.EqualValues(t, 7, r.Facts)
	require.Equal(t, []DoubledID{{"s", "a", []uint64{3, 6, 9}}, {"s", "c", []uint64{5, 8}}}, r.Doubled)

	l := openTest(t, Options{Path: dir})
	again := facts[3]
	again.Seq, again.TransactionTime = 0, time.Time{}
	held, err := l.WriteFact(t.Context(), again)
	require.NoError(t, err)
	require.Contains(t, []uint64{3, 6, 9}, held.Seq)
	_, err = l.Prune(t.Context(), func(yield func(uint64) bool) { _ = yield(6) && yield(8) && yield(9) }, backend.Horizon{})
	require.NoError(t, err)
	held, err = l.WriteFact(t.Context(), again)
	require.NoError(t, err)
	require.EqualValues(t, 3, held.Seq)
	require.NoError(t, l.Close())
	r, err = Verify(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, r.Doubled)
}

// TestIDHashes looks for doubled IDs in several blocks.
func TestIDHashes(t *testing.T) {
	var x idHashes
	ids := func(do func(id string, seq uint64)) {
		for n := range uint64(3*hashBlock + 10) {
			do(fmt.Sprint(n%(3*hashBlock)), n+1)
		}
	}
	ids(func(id string, _ uint64) { x.add("s"+id, "id") })
	all, err := x.doubled(func(again func(*backend.Fact)) error {
		ids(func(id string, seq uint64) { again(&backend.Fact{Store: "s" + id, ID: "id", Seq: seq}) })
		return nil
	})
	require.NoError(t, err)
	require.Len(t, all, 10)
	require.Equal(t, DoubledID{"s9", "id", []uint64{10, 3*hashBlock + 10}}, all[9])
}
