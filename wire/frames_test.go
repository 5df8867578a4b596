// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// TestAppendSelected compares a selection by bytes with a selection of parsed facts, batch by batch.
func TestAppendSelected(t *testing.T) {
	stores := []string{"a", "b", "with \"escapes\"", "ü"}
	rapid.Check(t, func(t *rapid.T) {
		var frames []byte
		var batches [][]backend.Fact
		seq := uint64(rapid.IntRange(1, 100).Draw(t, "first"))
		for range rapid.IntRange(0, 6).Draw(t, "batches") {
			var batch []backend.Fact
			for range rapid.IntRange(1, 4).Draw(t, "facts") {
				value := rapid.SampledFrom([]string{`1`, `{"seq":9,"id":"x","store":"a"}`, "[1,\n2]", `"\n"`}).Draw(t, "value")
				batch = append(batch, backend.Fact{Seq: seq, ID: fmt.Sprintf("id%d", seq), SchemaVersion: 1,
					Store: rapid.SampledFrom(stores).Draw(t, "store"), Value: []byte(value)})
				seq += uint64(rapid.IntRange(1, 3).Draw(t, "gap"))
			}
			batches = append(batches, batch)
			start := len(frames)
			frames = wire.CloseFrame(wire.AppendGroup(wire.OpenFrame(frames), batch), start)
		}
		r := backend.Range{
			After:   backend.Cursor{Seq: uint64(rapid.IntRange(0, int(seq)+1).Draw(t, "after"))},
			Through: uint64(rapid.IntRange(0, int(seq)+1).Draw(t, "through")),
		}
		if rapid.Bool().Draw(t, "filtered") {
			r.Stores = rapid.SliceOfN(rapid.SampledFrom(stores), 0, 3).Draw(t, "stores")
		}
		out, facts, last, err := wire.AppendSelected([]byte("before"), slices.Clone(frames), &r)
		require.NoError(t, err)
		require.Equal(t, "before", string(out[:6]))
		rest, count, seen := out[6:], 0, uint64(0)
		for _, batch := range batches {
			var want []backend.Fact
			for _, f := range batch {
				seen = f.Seq
				if f.Seq > r.After.Seq && (r.Through == 0 || f.Seq <= r.Through) && r.Has(f.Store) {
					want = append(want, f)
				}
			}
			count += len(want)
			if len(want) == 0 {
				continue
			}
			var body []byte
			var ok bool
			body, rest, ok = wire.CutFrame(rest)
			require.True(t, ok)
			got, err := wire.ParseGroup(nil, body)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		require.Empty(t, rest)
		require.Equal(t, count, facts)
		require.Equal(t, seen, last)
	})
}

func TestAppendSelectedRefuses(t *testing.T) {
	for _, frames := range [][]byte{[]byte("torn"), wire.AppendFrame(nil, []byte(`{"no":"fact"}`)), wire.AppendFrame(nil, []byte("[\nx\n]"))} {
		_, _, _, err := wire.AppendSelected(nil, frames, &backend.Range{})
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
}

// TestPagesLeaveOutWhatIsKnown leaves out whole frames from the front, also one that another codec wrote.
func TestPagesLeaveOutWhatIsKnown(t *testing.T) {
	all := wire.Frames{Through: backend.Cursor{Seq: 5}}
	add := func(facts int, body []byte) {
		all.Bytes, all.Facts = append(all.Bytes, wire.CloseFrame(append(wire.OpenFrame(nil), body...), 0)...), all.Facts+facts
	}
	fact := func(seq uint64) backend.Fact {
		return backend.Fact{Seq: seq, ID: fmt.Sprint("id", seq), Store: "s", Key: "k", Value: []byte("1"), SchemaVersion: 1}
	}
	add(1, wire.AppendFact(nil, new(fact(1))))
	add(2, wire.AppendGroup(nil, []backend.Fact{fact(2), fact(4)}))
	add(1, append([]byte(" "), wire.AppendFact(nil, new(fact(5)))...))
	for known, left := range map[uint64]int{0: 4, 1: 3, 2: 3, 3: 3, 4: 1, 5: 0} {
		for p, err := range wire.Pages("log", func() uint64 { return known }, func(yield func(wire.Frames, error) bool) { yield(all, nil) }) {
			require.NoError(t, err)
			require.Len(t, p.Facts, left, "known through %d", known)
			require.Equal(t, all.Through, p.Through)
		}
	}
}
