// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

func facts(after uint64, n int) []backend.Fact {
	var all []backend.Fact
	for i := range n {
		seq := after + uint64(2*i) + 1
		all = append(all, backend.Fact{Seq: seq, ID: fmt.Sprint("id-", seq), Store: "s", Key: fmt.Sprint(i), ValueHash: "h", SchemaVersion: 1,
			TransactionTime: time.Unix(int64(seq), 0).UTC(), Value: append(append([]byte(`"`), bytes.Repeat([]byte{'a' + byte(i%26)}, 4096)...), '"')})
	}
	return all
}

// none says that no facts were pruned.
func none() (map[string]backend.Horizon, error) { return nil, nil }

// only returns the only line in a directory.
func only(t *testing.T, d *Dir) Line {
	t.Helper()
	lines, err := d.Lines()
	require.NoError(t, err)
	require.Len(t, lines, 1)
	return lines[0]
}

// framed yields batches, each in a frame, and then an error if it is not nil.
func framed(err error, batches ...[]backend.Fact) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		for _, batch := range batches {
			frame := wire.CloseFrame(wire.AppendGroup(wire.OpenFrame(nil), batch), 0)
			if !yield(wire.Frames{Bytes: frame, Facts: len(batch)}, nil) {
				return
			}
		}
		if err != nil {
			yield(wire.Frames{}, err)
		}
	}
}

// batchesOf cuts facts into batches of 1, 2, 3, 1, 2, 3, ... facts.
func batchesOf(facts []backend.Fact) (batches [][]backend.Fact) {
	for n := 1; len(facts) > 0; n = n%3 + 1 {
		n := min(n, len(facts))
		batches = append(batches, facts[:n])
		facts = facts[n:]
	}
	return batches
}

// read returns the batches in a piece.
func read(src io.Reader) (all [][]backend.Fact, through uint64, err error) {
	r, err := newReader(src, "piece")
	if err != nil {
		return nil, 0, err
	}
	var sum Summary
	for p, err := range (Piece{stream: r, Header: r.header}).pages(nil, &sum) {
		if err != nil {
			return all, through, err
		}
		if through = p.Through.Seq; len(p.Facts) > 0 {
			all = append(all, p.Facts)
		}
	}
	return all, through, nil
}

// TestPiece writes and reads pieces without facts, in one block, and in several.
func TestPiece(t *testing.T) {
	for _, n := range []int{0, 1, 300} {
		var piece bytes.Buffer
		want := facts(10, n)
		sum, err := Write(&piece, Header{After: 10, Through: 1000}, Summary{LastID: "before", SHA256: "p"}, framed(nil, batchesOf(want)...), none)
		require.NoError(t, err)
		require.EqualValues(t, n, sum.Facts)
		require.Equal(t, n > 100, sum.Blocks > 1)
		got, through, err := read(&piece)
		require.NoError(t, err)
		require.Equal(t, batchesOf(want), got)
		require.EqualValues(t, 1000, through)
		if n == 0 {
			require.Equal(t, "before", sum.LastID)
		} else {
			require.Equal(t, want[n-1].ID, sum.LastID)
		}
	}
	h := Header{After: 3, Through: 9, Log: backend.LogID{1}, Ancestors: []backend.Ancestor{{Log: backend.LogID{2}, Through: 7}}}
	var piece bytes.Buffer
	_, err := Write(&piece, h, Summary{}, framed(nil), none)
	require.NoError(t, err)
	r, err := newReader(&piece, "piece")
	require.NoError(t, err)
	defer r.close()
	require.Equal(t, h.Log, r.header.Log)
	require.Equal(t, h.Ancestors, r.header.Ancestors)
	failure := errors.New("failure")
	_, err = Write(io.Discard, Header{After: 0, Through: 9}, Summary{}, framed(failure), none)
	require.ErrorIs(t, err, failure)
}

// TestVersions reads pieces of older versions, and one of this version, which Write writes to the byte. In version 1 each
// frame holds one fact.
func TestVersions(t *testing.T) {
	for v, want := range map[int][][]backend.Fact{1: nil, 2: batchesOf(facts(10, 12)), 3: batchesOf(facts(10, 12))} {
		for _, f := range facts(10, 12) {
			if v == 1 {
				want = append(want, []backend.Fact{f})
			}
		}
		path := fmt.Sprintf("testdata/v%d.backup", v)
		piece, err := os.ReadFile(path)
		require.NoError(t, err)
		got, through, err := read(bytes.NewReader(piece))
		require.NoError(t, err)
		require.EqualValues(t, 40, through)
		require.Equal(t, want, got)
		p, last, err := load(path, nil, true)
		require.NoError(t, err)
		require.Equal(t, v, p.Version)
		require.Equal(t, slices.Concat(want...), last)
		sum, err := p.Check()
		require.NoError(t, err)
		require.Equal(t, p.Summary, sum)
		require.Equal(t, v == 3, sum.Horizons != nil)

		p.After, p.Previous = 0, "" // as if nothing came before
		r := Line{Pieces: []Piece{p}}.Read(40)
		for _, err := range r.Pages() {
			require.NoError(t, err)
		}
		s, err := r.Stats(t.Context())
		require.NoError(t, err)
		h := s.Horizon("s")
		if v < 3 {
			require.EqualValues(t, 40, h.Seq, "the piece lacks facts, and does not say more")
			require.Equal(t, want[len(want)-1][0].TransactionTime.Year(), h.Time.Year())
		} else {
			require.Equal(t, golden.Horizons, s.Horizons)
		}
	}
	want, err := os.ReadFile("testdata/v3.backup")
	require.NoError(t, err)
	var piece bytes.Buffer
	_, err = writeGolden(&piece)
	require.NoError(t, err)
	require.Equal(t, want, piece.Bytes())
}

// golden is what the piece of version 3 in testdata ends with.
var golden = Summary{Horizons: map[string]backend.Horizon{"s": {Seq: 20, Time: time.Unix(20, 5).UTC()}, "t": {Seq: 9, Time: time.Unix(9, 0).UTC()}}}

// writeGolden writes that piece.
func writeGolden(w io.Writer) (Summary, error) {
	h := Header{
		After: 10, Through: 40, CreatedAt: []byte("1795467633.81"), Line: 1, As: []string{"a", "b"},
		Log: backend.LogID{1}, Ancestors: []backend.Ancestor{{Log: backend.LogID{2}, Through: 7}},
	}
	return Write(w, h, Summary{LastID: "before", SHA256: "p"}, framed(nil, batchesOf(facts(10, 12))...),
		func() (map[string]backend.Horizon, error) { return golden.Horizons, nil })
}

// TestDamage cuts a piece at many bytes and flips bits in them: reading it always fails.
func TestDamage(t *testing.T) {
	var piece bytes.Buffer
	_, err := Write(&piece, Header{After: 0, Through: 9}, Summary{}, framed(nil, batchesOf(facts(0, 3))...), none)
	require.NoError(t, err)
	whole := piece.Bytes()
	for i := 0; i < len(whole); i += 1 + len(whole)/300 {
		_, _, err := read(bytes.NewReader(whole[:i]))
		require.ErrorIs(t, err, backend.ErrCorrupt, "cut at %d", i)
		spoilt := bytes.Clone(whole)
		spoilt[i] ^= 4
		_, _, err = read(bytes.NewReader(spoilt))
		require.Error(t, err, "flipped at %d", i)
	}
	_, _, err = read(bytes.NewReader(append(bytes.Clone(whole), whole...)))
	require.ErrorContains(t, err, "something follows")
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b[*]")
	d, err := OpenDir(path)
	require.NoError(t, err)
	_, err = OpenDir(path)
	require.ErrorContains(t, err, "another backup is being made")
	first, second := facts(0, 5), facts(10, 5)
	p, size, err := d.Add(Header{After: 0, Through: 10}, Summary{}, framed(nil, first), none)
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(path, "00000000000000000001-00000000000000000010.backup"))
	require.NoError(t, err)
	require.Equal(t, info.Size(), size)
	sum := p.Summary
	_, _, err = d.Add(Header{After: 10, Through: 20}, sum, framed(errors.New("failure"), second), none)
	require.ErrorContains(t, err, "failure")
	require.Len(t, only(t, d).Pieces, 1, "nothing is left of one that failed")
	_, _, err = d.Add(Header{After: 10, Through: 20}, sum, framed(nil, second), none)
	require.NoError(t, err)
	unfinished := filepath.Join(path, "x.backup.tmp")
	require.NoError(t, os.WriteFile(unfinished, nil, 0o600))
	require.NoError(t, d.Close())
	d, err = OpenDir(path)
	require.NoError(t, err)
	require.NoFileExists(t, unfinished)
	line := only(t, d)
	pieces := line.Pieces
	require.Len(t, pieces, 2)
	var got []backend.Fact
	for f, err := range backend.Facts(line.Read(20).Pages()) {
		require.NoError(t, err)
		got = append(got, f)
	}
	require.Equal(t, append(first, second...), got)
	for through := range uint64(22) {
		n, last := 0, uint64(0)
		for p, err := range line.Read(through).Pages() {
			require.NoError(t, err)
			n, last = n+len(p.Facts), p.Through.Seq
		}
		require.Equal(t, len(slices.DeleteFunc(slices.Clone(got), func(f backend.Fact) bool { return f.Seq > through })), n)
		require.Equal(t, min(through, 20), last)
	}
	past := func(pieces []Piece, through uint64) []backend.Ancestor {
		s, err := Line{Pieces: pieces}.Read(through).Stats(t.Context())
		require.NoError(t, err)
		return s.Ancestors
	}
	require.Nil(t, past(pieces, 20))
	was, before := backend.LogID{1}, backend.LogID{2}
	named := slices.Clone(pieces)
	named[0].Log = before
	require.Equal(t, []backend.Ancestor{{Log: before, Through: 10}}, past(named, 20), "nobody knows of which log the rest is")
	named[1].Log, named[1].Ancestors = was, []backend.Ancestor{{Log: before, Through: 12}}
	require.Equal(t, []backend.Ancestor{{Log: was, Through: 20}, {Log: before, Through: 12}}, past(named, 20))
	require.Equal(t, []backend.Ancestor{{Log: was, Through: 11}, {Log: before, Through: 11}}, past(named, 11))
	check, err := pieces[0].Check()
	require.NoError(t, err)
	require.Equal(t, sum, check)

	// A piece in the place of another is detected.
	other := filepath.Join(t.TempDir(), "other")
	o, err := OpenDir(other)
	require.NoError(t, err)
	_, _, err = o.Add(Header{After: 0, Through: 10}, Summary{}, framed(nil, facts(0, 4)), none)
	require.NoError(t, err)
	require.NoError(t, o.Close())
	require.NoError(t, os.Rename(filepath.Join(other, filepath.Base(pieces[0].Path)), pieces[0].Path))
	_, err = d.Lines()
	require.ErrorContains(t, err, "it does not follow the piece before it")
	require.NoError(t, d.Close())
}

// TestChained looks at the names of pieces only: what is not a chain, because pieces are missing, foreign or left by a merge, is
// read whole.
func TestChained(t *testing.T) {
	piece := func(line int, after, through uint64) Header {
		return Header{Line: line, After: after, Through: through}
	}
	for name, x := range map[string]struct {
		pieces []Header
		want   bool
	}{
		"none":            {nil, true},
		"one":             {[]Header{piece(0, 0, 9)}, true},
		"some":            {[]Header{piece(0, 20, 30), piece(0, 0, 9), piece(0, 9, 20)}, true},
		"a branch":        {[]Header{piece(0, 0, 9), piece(0, 9, 20), piece(1, 9, 15), piece(1, 15, 30)}, true},
		"a new beginning": {[]Header{piece(0, 0, 9), piece(1, 0, 12)}, true},
		"missing":         {[]Header{piece(0, 0, 9), piece(0, 20, 30)}, false},
		"missing first":   {[]Header{piece(0, 9, 20)}, false},
		"of a later line": {[]Header{piece(0, 0, 9), piece(1, 9, 15), piece(0, 15, 20)}, false},
		"foreign":         {[]Header{piece(0, 0, 5), piece(0, 0, 9), piece(0, 9, 20)}, false},
		"foreign within":  {[]Header{piece(0, 0, 9), piece(0, 9, 12), piece(0, 9, 20)}, false},
		"left by a merge": {[]Header{piece(0, 0, 9), piece(0, 9, 20), piece(0, 0, 20)}, false},
	} {
		require.Equal(t, x.want, chained(x.pieces), name)
	}
}
