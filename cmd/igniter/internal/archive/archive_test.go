package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
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

func yielding(facts []backend.Fact, err error) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for _, f := range facts {
			if !yield(f, nil) {
				return
			}
		}
		if err != nil {
			yield(backend.Fact{}, err)
		}
	}
}

func read(src io.Reader) (all []backend.Fact, err error) {
	r, err := NewReader(src, "piece")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for f, err := range r.Facts() {
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
	return all, nil
}

// TestPiece writes and reads pieces without facts, in one block, and in several.
func TestPiece(t *testing.T) {
	for _, n := range []int{0, 1, 300} {
		var piece bytes.Buffer
		want := facts(10, n)
		sum, err := Write(&piece, 10, 1000, Summary{LastID: "before", SHA256: "p"}, yielding(want, nil))
		require.NoError(t, err)
		require.EqualValues(t, n, sum.Facts)
		require.Equal(t, n > 100, sum.Blocks > 1)
		got, err := read(&piece)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	failure := errors.New("failure")
	_, err := Write(io.Discard, 0, 9, Summary{}, yielding(nil, failure))
	require.ErrorIs(t, err, failure)
}

// TestDamage cuts a piece at bytes all over it and flips bits of them: it is never taken for whole.
func TestDamage(t *testing.T) {
	var piece bytes.Buffer
	_, err := Write(&piece, 0, 9, Summary{}, yielding(facts(0, 3), nil))
	require.NoError(t, err)
	whole := piece.Bytes()
	for i := 0; i < len(whole); i += 1 + len(whole)/300 {
		_, err := read(bytes.NewReader(whole[:i]))
		require.ErrorIs(t, err, backend.ErrCorrupt, "cut at %d", i)
		spoilt := bytes.Clone(whole)
		spoilt[i] ^= 4
		_, err = read(bytes.NewReader(spoilt))
		require.Error(t, err, "flipped at %d", i)
	}
	_, err = read(bytes.NewReader(append(bytes.Clone(whole), whole...)))
	require.ErrorContains(t, err, "something follows")
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b[*]")
	d, err := OpenDir(path)
	require.NoError(t, err)
	_, err = OpenDir(path)
	require.ErrorContains(t, err, "another backup is being made")
	first, second := facts(0, 5), facts(10, 5)
	_, sum, err := d.Add(t.Context(), 0, 10, Summary{}, yielding(first, nil))
	require.NoError(t, err)
	_, _, err = d.Add(t.Context(), 10, 20, sum, yielding(second, errors.New("failure")))
	require.ErrorContains(t, err, "failure")
	pieces, err := d.Pieces()
	require.NoError(t, err)
	require.Len(t, pieces, 1, "nothing is left of one that failed")
	_, _, err = d.Add(t.Context(), 10, 20, sum, yielding(second, nil))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(path, "x.backup.tmp"), nil, 0o600))
	require.NoError(t, d.Close())
	d, err = OpenDir(path)
	require.NoError(t, err)
	pieces, err = d.Pieces()
	require.NoError(t, err)
	require.Len(t, pieces, 2)
	var got []backend.Fact
	for f, err := range Facts(pieces) {
		require.NoError(t, err)
		got = append(got, f)
	}
	require.Equal(t, append(first, second...), got)
	check, err := pieces[0].Check()
	require.NoError(t, err)
	require.Equal(t, sum, check)

	// A piece in the place of another is found out.
	other := filepath.Join(t.TempDir(), "other")
	o, err := OpenDir(other)
	require.NoError(t, err)
	_, _, err = o.Add(t.Context(), 0, 10, Summary{}, yielding(facts(0, 4), nil))
	require.NoError(t, err)
	require.NoError(t, o.Close())
	require.NoError(t, os.Rename(filepath.Join(other, filepath.Base(pieces[0].Path)), pieces[0].Path))
	for _, err = range Facts(pieces) {
	}
	require.ErrorContains(t, err, "it follows another piece")
	require.NoError(t, d.Close())
}
