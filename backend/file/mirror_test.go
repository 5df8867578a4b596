// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/wire"
)

// addSome writes batches of one, two and three facts, and returns the last seq.
func addSome(t *testing.T, l backend.Log, store string, batches int) uint64 {
	t.Helper()
	last := uint64(0)
	for n := range batches {
		b := backend.Batch{}
		for i := range n%3 + 1 {
			b.Facts = append(b.Facts, backend.Fact{ID: fmt.Sprintf("%s-%d-%d-%d", store, n, i, mustStats(t, l).LastSeq), Store: store, Key: fmt.Sprint(n % 4), Value: fmt.Appendf(nil, `{"n":%d}`, n), SchemaVersion: 1})
		}
		w := l.Write(t.Context(), b)[0]
		require.NoError(t, w.Err)
		last = w.Facts[len(w.Facts)-1].Seq
	}
	return last
}

func mustStats(t *testing.T, l backend.Log) backend.Stats {
	t.Helper()
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	return s
}

func openMirror(t *testing.T, dir string, source backend.Log) *file.Mirror {
	t.Helper()
	m, err := file.OpenMirror(t.Context(), file.Options{Path: dir, SegmentSize: 4 << 10}, mustStats(t, source))
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// catchUp copies the missing facts through a seq, 0 for all, to the mirror. It takes pages one by one or together.
func catchUp(t *testing.T, m *file.Mirror, source *file.Log, through uint64, together bool) {
	t.Helper()
	own := mustStats(t, m)
	var pages []wire.Frames
	for p, err := range source.ReplayFrames(t.Context(), backend.Range{After: backend.Cursor{Log: own.Log, Seq: own.LastSeq}, Through: through}) {
		require.NoError(t, err)
		if pages = append(pages, p); !together {
			require.NoError(t, m.Take(t.Context(), pages...))
			pages = nil
		}
	}
	require.NoError(t, m.Take(t.Context(), pages...))
}

// requireCopy requires that a mirror equals its source: facts, batches, identity, horizons.
func requireCopy(t *testing.T, source, m *file.Log) {
	t.Helper()
	require.Equal(t, replay(t, source), replay(t, m))
	require.Equal(t, batches(t, source), batches(t, m))
	want, got := mustStats(t, source), mustStats(t, m)
	require.Equal(t, want.Log, got.Log)
	require.Equal(t, want.Ancestors, got.Ancestors)
	require.Equal(t, want.LastSeq, got.LastSeq)
	require.Equal(t, got.LastSeq, got.DurableSeq)
	require.Equal(t, want.Facts, got.Facts)
	require.Equal(t, len(want.Horizons), len(got.Horizons))
	for store, h := range want.Horizons {
		require.Equal(t, h.Seq, got.Horizons[store].Seq)
		require.True(t, h.Time.Equal(got.Horizons[store].Time))
	}
}

// TestMirror copies a log of several segments, bit by bit, through reopens.
func TestMirror(t *testing.T) {
	source := openLog(t, file.Options{Path: t.TempDir(), SegmentSize: 4 << 10})
	dir := filepath.Join(t.TempDir(), "mirror")
	m := openMirror(t, dir, source)
	require.Equal(t, mustStats(t, source).Log, mustStats(t, m).Log)
	for range 3 {
		addSome(t, source, "a", 20)
		catchUp(t, m, source, 0, false)
		requireCopy(t, source, m.Log)
		require.NoError(t, m.Close())
		m = openMirror(t, dir, source)
		requireCopy(t, source, m.Log)
	}
	require.Greater(t, mustStats(t, m).Storage.Segments, 2)
	_, err := m.WriteFact(t.Context(), backend.Fact{ID: "x", Store: "a", Key: "k", Value: []byte("1"), SchemaVersion: 1})
	require.ErrorIs(t, err, backend.ErrForbidden)
	require.ErrorIs(t, m.Write(t.Context(), backend.Batch{})[0].Err, backend.ErrForbidden)
	_, err = m.Prune(t.Context(), slices.Values([]uint64{1}), backend.Horizon{})
	require.ErrorIs(t, err, backend.ErrForbidden)
	require.NoError(t, m.WriteSnapshot(t.Context(), 0))
	requireCopy(t, source, m.Log)
	require.NoError(t, m.Close())

	// Without its source, it is read only.
	l := openLog(t, file.Options{Path: dir, Sync: file.SyncNever})
	requireCopy(t, source, l)
	_, err = l.WriteFact(t.Context(), backend.Fact{ID: "x", Store: "a", Key: "k", Value: []byte("1"), SchemaVersion: 1})
	require.ErrorIs(t, err, backend.ErrForbidden)

	// A page that is not the next one, or that has data which no log can have, changes nothing.
	m = openMirror(t, filepath.Join(t.TempDir(), "other"), source)
	for p, err := range source.ReplayFrames(t.Context(), backend.Range{After: backend.Cursor{Seq: 3}}) {
		require.NoError(t, err)
		p.Through.Seq = 2
		require.ErrorIs(t, m.Take(t.Context(), p), backend.ErrInvalid)
		p.Through.Seq = 5
		require.ErrorIs(t, m.Take(t.Context(), p), backend.ErrInvalid)
		break
	}
	require.Zero(t, mustStats(t, m).LastSeq)
}

// TestMirrorPruned copies a source from which facts were pruned before they were copied, and drops facts that are pruned
// later. The mirror has the source's head or none.
func TestMirrorPruned(t *testing.T) {
	for _, together := range []bool{false, true} {
		source := openLog(t, file.Options{Path: t.TempDir(), SegmentSize: 4 << 10})
		addSome(t, source, "a", 30)
		last := addSome(t, source, "b", 30)
		prune := func(l *file.Log, seqs ...uint64) {
			_, err := l.Prune(t.Context(), slices.Values(seqs), backend.Horizon{})
			require.NoError(t, err)
		}
		dir := t.TempDir()
		m := openMirror(t, dir, source)
		catchUp(t, m, source, 9, together)
		prune(source, 3, 12, 13, 20, last-1, last)
		catchUp(t, m, source, 0, together)
		require.Equal(t, last, mustStats(t, m).LastSeq)
		h := mustStats(t, source).Horizons
		require.Equal(t, h["b"].Seq, mustStats(t, m).Horizons["b"].Seq)
		_, err := m.Drop(t.Context(), slices.Values([]uint64{3}), h["a"])
		require.NoError(t, err)
		requireCopy(t, source, m.Log)
		require.Zero(t, mustStats(t, m).Head)

		// It goes on after the gap, also if a crash left no file after it.
		require.NoError(t, m.Close())
		m = openMirror(t, dir, source)
		requireCopy(t, source, m.Log)
		require.NoError(t, m.Close())
		require.NoError(t, os.Remove(filepath.Join(dir, fmt.Sprintf("%020d.wal", last+1))))
		m = openMirror(t, dir, source)
		addSome(t, source, "c", 5)
		catchUp(t, m, source, 0, together)
		requireCopy(t, source, m.Log)
		require.NoError(t, m.WriteSnapshot(t.Context(), 0))
		addSome(t, source, "c", 5)
		catchUp(t, m, source, 0, together)
		requireCopy(t, source, m.Log)
		require.NoError(t, m.Close())
		r, err := file.Verify(t.Context(), dir)
		require.NoError(t, err)
		require.Empty(t, r.Damage)
		require.Equal(t, mustStats(t, source).Facts, r.Facts)
	}
}

// TestMirrorHorizonAhead lets a mirror lag behind the horizon of a gap. Until the mirror has the facts that replaced the
// missing ones, it reports that its past is incomplete, also after reopening.
func TestMirrorHorizonAhead(t *testing.T) {
	source := openLog(t, file.Options{Path: t.TempDir()})
	addSome(t, source, "a", 30)
	last := mustStats(t, source).LastSeq
	_, err := source.Prune(t.Context(), slices.Values([]uint64{5}), backend.Horizon{})
	require.NoError(t, err)
	dir := t.TempDir()
	m := openMirror(t, dir, source)
	catchUp(t, m, source, 8, false)
	require.Equal(t, last, mustStats(t, m).Horizons["a"].Seq)
	require.NoError(t, m.Close())
	m = openMirror(t, dir, source)
	require.Equal(t, last, mustStats(t, m).Horizons["a"].Seq)
	catchUp(t, m, source, 20, false)
	s := mustStats(t, m)
	require.ErrorIs(t, s.Whole(20, nil), backend.ErrCompacted)
	require.NoError(t, m.Close())
	s, err = file.Promote(t.Context(), file.Options{Path: dir})
	require.NoError(t, err)
	require.ErrorIs(t, s.Whole(s.LastSeq, nil), backend.ErrCompacted, "what replaced the pruned fact was not copied")
	require.Equal(t, uint64(20), mustStats(t, openLog(t, file.Options{Path: dir})).Horizons["a"].Seq)
}

// TestPromote makes an independent log of a mirror: cursors of the source are valid through the copied facts, and no
// further.
func TestPromote(t *testing.T) {
	source := openLog(t, file.Options{Path: t.TempDir()})
	addSome(t, source, "a", 10)
	dir := t.TempDir()
	m := openMirror(t, dir, source)
	catchUp(t, m, source, 0, true)
	was := mustStats(t, m)
	_, err := file.Promote(t.Context(), file.Options{Path: dir})
	_, inUse := errors.AsType[*file.InUseError](err)
	require.True(t, inUse)
	require.NoError(t, m.Close())
	addSome(t, source, "a", 1) // is not copied any more

	s, err := file.Promote(t.Context(), file.Options{Path: dir})
	require.NoError(t, err)
	require.NotEqual(t, was.Log, s.Log)
	require.Equal(t, []backend.Ancestor{{Log: was.Log, Through: was.LastSeq}}, s.Ancestors)
	_, err = file.Promote(t.Context(), file.Options{Path: dir})
	require.ErrorIs(t, err, backend.ErrInvalid)
	_, err = file.OpenMirror(t.Context(), file.Options{Path: dir}, mustStats(t, source))
	require.ErrorIs(t, err, backend.ErrInvalid)

	l := openLog(t, file.Options{Path: dir})
	s = mustStats(t, l)
	_, err = s.Resume(backend.Cursor{Log: was.Log, Seq: was.LastSeq})
	require.NoError(t, err)
	_, err = s.Resume(backend.Cursor{Log: was.Log, Seq: was.LastSeq + 1})
	require.ErrorIs(t, err, backend.ErrDiverged)
	require.Equal(t, was.LastSeq+1, addSome(t, l, "a", 1))
	_, err = mustStatsOf(t, l).Resume(backend.Cursor{Log: was.Log, Seq: was.LastSeq + 1})
	require.ErrorIs(t, err, backend.ErrDiverged)
	require.NotZero(t, mustStats(t, l).Log)
}

func mustStatsOf(t *testing.T, l backend.Log) *backend.Stats {
	s := mustStats(t, l)
	return &s
}

// TestMirrorOfAnother checks that a mirror refuses sources that lack its facts, and goes on with a restored source that has
// them.
func TestMirrorOfAnother(t *testing.T) {
	source := openLog(t, file.Options{Path: t.TempDir()})
	addSome(t, source, "a", 10)
	dir := t.TempDir()
	m := openMirror(t, dir, source)
	catchUp(t, m, source, 0, true)
	require.NoError(t, m.Close())
	end := mustStats(t, source)

	other := openLog(t, file.Options{Path: t.TempDir()})
	addSome(t, other, "a", 20)
	_, err := file.OpenMirror(t.Context(), file.Options{Path: dir}, mustStats(t, other))
	require.ErrorIs(t, err, backend.ErrDiverged)
	shorter := end
	shorter.LastSeq--
	_, err = file.OpenMirror(t.Context(), file.Options{Path: dir}, shorter)
	require.ErrorIs(t, err, backend.ErrDiverged)
	_, err = file.OpenMirror(t.Context(), file.Options{Path: dir}, backend.Stats{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, func() error {
		_, err := file.Restore(t.Context(), file.Options{Path: dir}, source.Stats, byBatch(t, source))
		return err
	}(), backend.ErrInvalid)

	restored := t.TempDir()
	_, err = file.Restore(t.Context(), file.Options{Path: restored}, source.Stats, byBatch(t, source))
	require.NoError(t, err)
	again := openLog(t, file.Options{Path: restored})
	addSome(t, again, "b", 3)
	m = openMirror(t, dir, again)
	catchUp(t, m, again, 0, true)
	requireCopy(t, again, m.Log)
	require.NoError(t, m.Close())
	_, err = file.OpenMirror(t.Context(), file.Options{Path: dir}, end)
	require.ErrorIs(t, err, backend.ErrDiverged)
	requireCopy(t, again, openMirror(t, dir, again).Log)

	// Following a log that is a mirror itself is the same.
	second := openMirror(t, t.TempDir(), again)
	catchUp(t, second, again, 0, true)
	requireCopy(t, again, second.Log)
}
