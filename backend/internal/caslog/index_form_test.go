// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// TestIndexForm pins the form of an index, since existing places have them. Use UPDATE_GOLDEN only for a new version; it
// writes the file.
func TestIndexForm(t *testing.T) {
	x := &index{head: head{pos: 9, at: 9, hash: hash{1, 2}, seq: 700}, log: backend.LogID{1, 2, 3}, time: time.Unix(5, 6).UTC(), bytes: 1234,
		held: seqrange.Set{{1, 2}, {5, 600}, {700, 700}}, pruned: &pruned{erased: seqrange.Set{{2, 3}}, kept: []kept{{2, 5}, {3, 6}}}, places: []place{{1, 1}, {300, 4}},
		horizons: map[string]backend.Horizon{"s": {Seq: 9, Time: time.Unix(7, 8).UTC()}}, notes: 7,
		undone: map[uint64]*note{7: {Gone: seqrange.Set{{3, 4}}, Erase: seqrange.Set{{2, 3}}}}, loose: map[uint64]uint64{8: 8}, stores: []string{"s", "t\x00"}}
	keys := []sequencer.Loaded{{Store: "s", Key: "k", Seq: 2, ID: sequencer.ID{UUID: [16]byte{9, 8}}}, {Store: "t\x00", Key: "", Seq: 700, ID: sequencer.ID{Text: "odd"}}}
	for _, k := range keys {
		x.addKey(&sequencer.Latest{Store: slices.Index(x.stores, k.Store), Key: []byte(k.Key), Seq: k.Seq, ID: k.ID})
	}
	ids := []sequencer.Loaded{{Seq: 2, ID: sequencer.ID{UUID: [16]byte{9, 8}}}, {Seq: 600, ID: sequencer.ID{Text: "a"}}, {Seq: 700, ID: sequencer.ID{Text: "odd"}}}
	var written bytes.Buffer
	require.NoError(t, x.encode(&written, func(yield func(sequencer.Loaded, error) bool) {
		for _, id := range ids {
			yield(id, nil)
		}
	}))
	golden := filepath.Join("testdata", "index-1.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, written.Bytes(), 0o644))
	}
	kept, err := os.ReadFile(golden)
	require.NoError(t, err)
	decoder, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer decoder.Close()
	plain := func(b []byte) string {
		require.Equal(t, indexMagic, string(b[:len(indexMagic)]))
		text, err := decoder.DecodeAll(b[len(indexMagic):], nil)
		require.NoError(t, err)
		return hex.Dump(text)
	}
	require.Equal(t, plain(kept), plain(written.Bytes()))
	var gotKeys, gotIDs []sequencer.Loaded
	got, err := decodeIndex(bytes.NewReader(kept), func(f sequencer.Loaded) { gotKeys = append(gotKeys, f) }, func(seq uint64, id sequencer.ID) error {
		gotIDs = append(gotIDs, sequencer.Loaded{Seq: seq, ID: id})
		return nil
	})
	require.NoError(t, err)
	want := *x
	want.keys, want.keyCount = nil, 0
	require.Equal(t, &want, got)
	require.Equal(t, keys, gotKeys)
	require.Equal(t, ids, gotIDs)

	unit, err := json.Marshal(indexUnit{Name: "n", Bytes: 3, Sum: hash{1}, Pos: 4, Seq: 5, Former: &indexUnit{Name: "m"}})
	require.NoError(t, err)
	require.Equal(t, `{"name":"n","bytes":3,"sum":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","pos":4,"seq":5,"former":{"name":"m","bytes":0,"sum":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","pos":0,"seq":0}}`, string(unit))
}

// FuzzIndex reads bytes that may not be an index.
func FuzzIndex(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "index-1.golden"))
	require.NoError(f, err)
	plain, err := zstd.NewReader(bytes.NewReader(golden[len(indexMagic):]))
	require.NoError(f, err)
	defer plain.Close()
	text, err := io.ReadAll(plain)
	require.NoError(f, err)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		encoder, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		defer encoder.Close()
		last := uint64(0)
		x, err := decodeIndex(bytes.NewReader(append([]byte(indexMagic), encoder.EncodeAll(text, nil)...)), func(f sequencer.Loaded) {
			require.NotEmpty(t, f.Seq)
		}, func(seq uint64, _ sequencer.ID) error {
			require.Greater(t, seq, last)
			last = seq
			return nil
		})
		if err == nil {
			require.LessOrEqual(t, last, x.seq)
			require.LessOrEqual(t, x.held.Len(), x.seq)
		}
	})
}

// BenchmarkCapture measures how long writes wait for an index of a million keys.
func BenchmarkCapture(b *testing.B) {
	l, err := open(b.Context(), newStore(backend.LogID{1}, nil).port(nil), Options{}, math.MaxUint64) // without indexes of its own
	require.NoError(b, err)
	defer l.Close()
	for n := range 1000 {
		batch := make([]backend.Fact, 1000)
		for i := range batch {
			batch[i] = backend.Fact{ID: backend.NewLogID().String(), Store: "s", Key: fmt.Sprint("key ", 1000*n+i), Value: []byte("1")}
		}
		require.NoError(b, l.Write(b.Context(), backend.Batch{Facts: batch})[0].Err)
	}
	for b.Loop() {
		x, err := l.capture(b.Context())
		require.NoError(b, err)
		require.NotNil(b, x)
	}
}
