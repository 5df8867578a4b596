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

// TestAppendSelected compares a selection by bytes with one of the facts, batch by batch.
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
