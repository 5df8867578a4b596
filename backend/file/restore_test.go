// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/wire"
)

func openLog(t *testing.T, opts file.Options) *file.Log {
	t.Helper()
	l, err := file.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func replay(t *testing.T, b backend.Backend) []backend.Fact {
	t.Helper()
	var facts []backend.Fact
	for f, err := range backend.Facts(b.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		facts = append(facts, f)
	}
	return facts
}

// yielding yields each fact as a page, then the error or a page through the seq last.
func yielding(last uint64, facts []backend.Fact, err error) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for _, f := range facts {
			if !yield(backend.Page{Facts: []backend.Fact{f}, Through: backend.Cursor{Seq: f.Seq}}, nil) {
				return
			}
		}
		if err != nil {
			yield(backend.Page{}, err)
		} else {
			yield(backend.Page{Through: backend.Cursor{Seq: last}}, nil)
		}
	}
}

// batches returns the IDs of a log's facts, by the batches that it keeps.
func batches(t *testing.T, l *file.Log) (all [][]string) {
	t.Helper()
	for x, err := range l.ReplayFrames(t.Context(), backend.Range{}) {
		require.NoError(t, err)
		for rest := x.Bytes; len(rest) > 0; {
			body, next, ok := wire.CutFrame(rest)
			require.True(t, ok)
			facts, err := wire.ParseGroup(nil, bytes.Clone(body))
			require.NoError(t, err)
			var ids []string
			for _, f := range facts {
				ids = append(ids, f.ID)
			}
			all, rest = append(all, ids), next
		}
	}
	return all
}

// byBatch yields a log, each batch that it keeps as a page.
func byBatch(t *testing.T, l *file.Log) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for x, err := range l.ReplayFrames(t.Context(), backend.Range{}) {
			for rest := x.Bytes; len(rest) > 0 && err == nil; {
				var body []byte
				body, rest, _ = wire.CutFrame(rest)
				p := backend.Page{}
				if p.Facts, err = wire.ParseGroup(nil, bytes.Clone(body)); err == nil {
					p.Through.Seq = p.Facts[len(p.Facts)-1].Seq
					if !yield(p, nil) {
						return
					}
				}
			}
			if !yield(backend.Page{Through: x.Through}, err) {
				return
			}
		}
	}
}

// TestRestore makes a log of another one's facts, with its gaps and batches, and writes on.
func TestRestore(t *testing.T) {
	from := openLog(t, file.Options{Path: t.TempDir()})
	n := 0
	for _, keys := range []string{"a", "b", "ac", "d", "abc"} {
		var b backend.Batch
		for _, key := range keys {
			n++
			b.Facts = append(b.Facts, backend.Fact{ID: fmt.Sprint("f", n), Store: "s", Key: string(key), Value: []byte(`{"n": 1.50}`)})
		}
		require.NoError(t, from.Write(t.Context(), b)[0].Err)
	}
	_, err := from.Prune(t.Context(), slices.Values([]uint64{1, 6, 8}), backend.Horizon{})
	require.NoError(t, err)
	want := replay(t, from)
	require.Equal(t, [][]string{{"f2"}, {"f3", "f4"}, {"f5"}, {"f7"}}, batches(t, from))

	dir := t.TempDir()
	restored, err := file.Restore(t.Context(), file.Options{Path: dir}, nil, byBatch(t, from))
	require.NoError(t, err)
	require.EqualValues(t, 5, restored)
	report, err := file.Verify(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, report.Damage)
	require.EqualValues(t, 5, report.Facts)
	to := openLog(t, file.Options{Path: dir})
	require.Equal(t, want, replay(t, to))
	require.Equal(t, batches(t, from), batches(t, to))
	again, err := to.WriteFact(t.Context(), want[0])
	require.NoError(t, err)
	require.Equal(t, want[0], again, "a fact that is known")
	next, err := to.WriteFact(t.Context(), backend.Fact{ID: "next", Store: "s", Key: "b", Value: []byte("2")})
	require.NoError(t, err)
	require.EqualValues(t, 9, next.Seq, "the seq of a pruned fact is not given again")
	require.Equal(t, "f7", next.Causation)

	whole := t.TempDir()
	_, err = file.Restore(t.Context(), file.Options{Path: whole}, nil, from.Replay(t.Context(), backend.Range{}))
	require.NoError(t, err)
	require.Equal(t, want, replay(t, openLog(t, file.Options{Path: whole})))

	_, err = file.Restore(t.Context(), file.Options{Path: t.TempDir()}, nil, yielding(0, nil, nil))
	require.NoError(t, err)
	empty := t.TempDir()
	_, err = file.Restore(t.Context(), file.Options{Path: empty}, nil, yielding(7, nil, nil))
	require.NoError(t, err)
	pruned := openLog(t, file.Options{Path: empty})
	next, err = pruned.WriteFact(t.Context(), backend.Fact{ID: "next", Store: "s", Key: "a", Value: []byte("2")})
	require.NoError(t, err)
	require.EqualValues(t, 8, next.Seq)
}

// TestRestoreErrors leaves no log where restoring one failed.
func TestRestoreErrors(t *testing.T) {
	whole := backend.Fact{Seq: 1, ID: "i", Store: "s", Key: "k", Value: []byte("1"), ValueHash: "h", TransactionTime: time.Unix(1, 0)}
	second, bare, invalid := whole, whole, whole
	second.Seq, second.ID = 2, "j"
	bare.TransactionTime = time.Time{}
	invalid.Store = ""
	failure := errors.New("failure")
	page := func(through uint64, facts ...backend.Fact) iter.Seq2[backend.Page, error] {
		return func(yield func(backend.Page, error) bool) {
			yield(backend.Page{Facts: facts, Through: backend.Cursor{Seq: through}}, nil)
		}
	}
	for name, pages := range map[string]iter.Seq2[backend.Page, error]{
		"order":   yielding(2, []backend.Fact{second, whole}, nil),
		"back":    yielding(1, []backend.Fact{whole, second}, nil),
		"beyond":  page(1, whole, second),
		"nothing": page(0, whole),
		"bare":    yielding(1, []backend.Fact{bare}, nil),
		"invalid": yielding(1, []backend.Fact{invalid}, nil),
		"failure": yielding(1, []backend.Fact{whole}, failure),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := file.Restore(t.Context(), file.Options{Path: dir}, nil, pages)
			require.Error(t, err)
			if name == "failure" {
				require.ErrorIs(t, err, failure)
			} else {
				require.ErrorIs(t, err, backend.ErrInvalid)
			}
			require.Equal(t, []string{"LOCK"}, names(t, dir))
			_, err = file.Restore(t.Context(), file.Options{Path: dir}, nil, yielding(2, []backend.Fact{whole}, nil))
			require.NoError(t, err, "again, in the same place")
			_, err = file.Restore(t.Context(), file.Options{Path: dir}, nil, yielding(2, []backend.Fact{whole}, nil))
			require.ErrorContains(t, err, "holds a log already")
		})
	}
	dir := t.TempDir()
	openLog(t, file.Options{Path: dir})
	_, err := file.Restore(t.Context(), file.Options{Path: dir}, nil, yielding(0, nil, nil))
	var inUse *file.InUseError
	require.ErrorAs(t, err, &inUse)
}

// TestProgress checks that Progress goes from 0 to the total, and never back.
func TestProgress(t *testing.T) {
	dir := t.TempDir()
	l, err := file.Open(t.Context(), file.Options{Path: dir, SegmentSize: 4 << 10})
	require.NoError(t, err)
	for i := range 40 {
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: string(rune('A' + i)), Store: "s", Key: "k", Value: []byte(`"` + strings.Repeat("x", 400) + `"`)})
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	var told []int64
	l, err = file.Open(t.Context(), file.Options{Path: dir, Progress: func(done, total int64) {
		require.Positive(t, total)
		told = append(told, done, total)
	}})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.Greater(t, len(told), 6)
	require.Zero(t, told[0])
	total := told[1]
	for i := 2; i < len(told); i += 2 {
		require.Greater(t, told[i], told[i-2])
		require.Equal(t, total, told[i+1])
	}
	require.Equal(t, total, told[len(told)-2])
}
