// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// TestRoom reads large facts between small ones from the tail, from segments and from a snapshot. Room is taken before a
// large fact is read, and a large fact begins a page. A loop that finds no room fails. A loop that continues from there
// misses nothing.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Path: dir, Sync: SyncNever})
	const count = 12
	large := func(seq int) bool { return seq%3 == 0 }
	for n := 1; n <= count; n++ {
		value := fmt.Sprint(n)
		if large(n) {
			value = `"` + strings.Repeat(fmt.Sprint(n), 600<<10) + `"`
		}
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: fmt.Sprint("s", n%2), Key: "k", Value: []byte(value)})
		require.NoError(t, err)
	}
	full := errors.New("there is no room")
	read := func(l *Log, stores []string, after uint64, refuse int) (seqs []uint64, err error) {
		held, asked := 0, 0
		ctx := backend.WithRoom(t.Context(), func(n int) error {
			if asked++; asked == refuse && n > 0 {
				return full
			}
			held = n
			return nil
		})
		for page, err := range l.Replay(ctx, backend.Range{After: backend.Cursor{Seq: after}, Stores: stores}) {
			if err != nil {
				return seqs, err
			}
			for _, f := range page.Facts {
				seqs = append(seqs, f.Seq)
				if large(int(f.Seq)) {
					require.True(t, len(page.Facts) == 1 || stores != nil, "fact %d is in a page with others", f.Seq)
					require.GreaterOrEqual(t, held, len(f.Value))
				}
			}
		}
		return seqs, nil
	}
	check := func() {
		t.Helper()
		for _, stores := range [][]string{nil, {"s0"}, {"s0", "s1"}} {
			want, err := read(l, stores, 0, 0)
			require.NoError(t, err)
			require.NotEmpty(t, want)
			for refuse := 1; refuse < 20; refuse++ {
				got, err := read(l, stores, 0, refuse)
				if err != nil {
					require.ErrorIs(t, err, full)
					after := uint64(0)
					if len(got) > 0 {
						after = got[len(got)-1]
					}
					rest, err := read(l, stores, after, 0)
					require.NoError(t, err)
					got = append(got, rest...)
				}
				require.Equal(t, want, got)
			}
		}
	}
	check()
	l.update(func(s *state) { s.tail = tail{} })
	check()
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	check()
	require.NoError(t, l.Close())
	l = openTest(t, Options{Path: dir, Sync: SyncNever})
	check()
}

// TestReaderKeepsNoTail: between two pages, a reader keeps no frames of the tail in memory except its page.
func TestReaderKeepsNoTail(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir(), Sync: SyncNever})
	for n := range 40 {
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: "s", Key: "k", Value: []byte(`"` + strings.Repeat("v", 100<<10) + `"`)})
		require.NoError(t, err)
	}
	r := &reader{log: l, size: backend.PageSize}
	defer r.Close()
	facts := 0
	for after := uint64(0); facts < 40; {
		page, err := r.Take(context.Background(), after)
		require.NoError(t, err)
		require.Nil(t, r.tail)
		require.Nil(t, r.unread)
		require.True(t, page.Kept)
		facts, after = facts+page.Facts, page.Through.Seq
	}
	require.Equal(t, 40, facts)
}

// TestWritesKeepLittle: after large facts, only the latest of them stay in memory, in the tail.
func TestWritesKeepLittle(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir(), Sync: SyncNever, SegmentSize: 1 << 30})
	writeSome(t, l, 0, 1000)
	for n := range 20 {
		batch := backend.Batch{Facts: []backend.Fact{{ID: fmt.Sprint("large", n), Store: "s", Key: "k", Value: []byte(`"` + strings.Repeat("v", 5<<20) + `"`)}}}
		require.NoError(t, l.Write(t.Context(), batch)[0].Err)
		tl := &l.state.Load().tail
		require.Less(t, tl.dropped, tailSize)
		all := 0
		for _, f := range tl.frames[:cap(tl.frames)] {
			all += len(f.frame)
		}
		require.Less(t, all, 4*tailSize)
		require.LessOrEqual(t, cap(l.group.items)+cap(l.group.block), 4*groupSize)
	}
	w := writes.Get().(*write)
	require.LessOrEqual(t, len(w.encoded), maxKeptFacts)
	body, _, _ := wire.CutFrame(l.state.Load().tail.frames[0].frame)
	facts, err := wire.ParseGroup(nil, body)
	require.NoError(t, err)
	require.Equal(t, "large19", facts[0].ID)
}
