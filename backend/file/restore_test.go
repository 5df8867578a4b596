package file_test

import (
	"errors"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
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
	for f, err := range b.Replay(t.Context(), 0) {
		require.NoError(t, err)
		facts = append(facts, f)
	}
	return facts
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

// TestRestore makes a log of another one's facts, gaps and all, and writes on.
func TestRestore(t *testing.T) {
	from := openLog(t, file.Options{Path: t.TempDir()})
	for _, key := range []string{"a", "b", "a", "c", "d"} {
		_, err := from.WriteFact(t.Context(), backend.Fact{ID: key + time.Now().String(), Store: "s", Key: key, Value: []byte(`{"n": 1.50}`)})
		require.NoError(t, err)
	}
	_, err := from.Prune(t.Context(), func(yield func(uint64) bool) { _ = yield(1) && yield(5) })
	require.NoError(t, err)
	want := replay(t, from)
	require.Len(t, want, 3)

	dir := t.TempDir()
	n, err := file.Restore(t.Context(), file.Options{Path: dir}, 5, yielding(want, nil))
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	report, err := file.Verify(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, report.Damage)
	require.EqualValues(t, 3, report.Facts)
	to := openLog(t, file.Options{Path: dir})
	require.Equal(t, want, replay(t, to))
	again, err := to.WriteFact(t.Context(), want[0])
	require.NoError(t, err)
	require.Equal(t, want[0], again, "a fact that is known")
	next, err := to.WriteFact(t.Context(), backend.Fact{ID: "next", Store: "s", Key: "a", Value: []byte("2")})
	require.NoError(t, err)
	require.EqualValues(t, 6, next.Seq)
	require.Equal(t, want[1].ID, next.Causation)

	_, err = file.Restore(t.Context(), file.Options{Path: t.TempDir()}, 0, yielding(nil, nil))
	require.NoError(t, err)
	empty := t.TempDir()
	_, err = file.Restore(t.Context(), file.Options{Path: empty}, 7, yielding(nil, nil))
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
	for name, facts := range map[string]iter.Seq2[backend.Fact, error]{
		"order":   yielding([]backend.Fact{second, whole}, nil),
		"beyond":  yielding([]backend.Fact{whole, second, {}}, nil),
		"bare":    yielding([]backend.Fact{bare}, nil),
		"invalid": yielding([]backend.Fact{invalid}, nil),
		"failure": yielding([]backend.Fact{whole}, failure),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := file.Restore(t.Context(), file.Options{Path: dir}, 2, facts)
			require.Error(t, err)
			if name == "failure" {
				require.ErrorIs(t, err, failure)
			} else {
				require.ErrorIs(t, err, backend.ErrInvalid)
			}
			_, err = file.Restore(t.Context(), file.Options{Path: dir}, 2, yielding([]backend.Fact{whole}, nil))
			require.NoError(t, err, "again, in the same place")
		})
	}
	dir := t.TempDir()
	openLog(t, file.Options{Path: dir})
	_, err := file.Restore(t.Context(), file.Options{Path: dir}, 0, yielding(nil, nil))
	var inUse *file.InUseError
	require.ErrorAs(t, err, &inUse)
	require.NoError(t, os.WriteFile(t.TempDir()+"/x", nil, 0o600))
	_, err = file.Restore(t.Context(), file.Options{Path: t.TempDir()}, 0, yielding([]backend.Fact{whole}, nil))
	require.ErrorContains(t, err, "there are facts")
}

// TestProgress tells how far opening is: from nothing to all of it, and never back.
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
