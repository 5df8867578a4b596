// SPDX-License-Identifier: Apache-2.0

package format_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/wire"
)

var updateGolden = flag.Bool("update", false, "write the golden files again")

// goldenDirs have logs of format versions 1 to 3, written when these versions were defined, and beside each log its facts.
// They never change: the code must read them forever. Version 3 is for logs with pruned facts. Use -update only for new
// ones.
const (
	goldenDir  = "../../testdata/v1"
	goldenDir2 = "../../testdata/v2"
	goldenDir3 = "../../testdata/v3"
	goldenDir4 = "../../testdata/v4" // for later features: IDs that several stores have (indexes of version 2), and By
)

// written returns the directory for the log as the present code writes it.
func (x golden) written() string {
	if x.since4 {
		return filepath.Join(goldenDir4, x.name)
	}
	if x.horizons != nil {
		return filepath.Join(goldenDir3, x.name)
	}
	return filepath.Join(goldenDir2, x.name)
}

// A golden log is always made by the same steps, with the same clock and IDs.
type golden struct {
	name string
	make func(t *testing.T, g *goldenLog)
	opts file.Options

	since4 bool // only goldenDir4 has it

	// horizons are the horizons of the log if it is made now. If they are not nil, the golden log was made before files had
	// horizons: the test reads it, but does not write it any more.
	horizons map[string]backend.Horizon
}

// tasksTo returns the horizon of the store tasks, at a seq and some milliseconds after the beginning of a minute.
func tasksTo(seq uint64, ms int) map[string]backend.Horizon {
	return map[string]backend.Horizon{"tasks": {Seq: seq, Time: time.Date(2026, 1, 2, 3, 4, 0, ms*1_000_000, time.UTC)}}
}

var goldens = []golden{
	// A sealed segment and the active one; single facts, and groups of several.
	{name: "segments", make: func(t *testing.T, g *goldenLog) {
		g.write(t, 6)
		g.batch(t, 3)
		g.write(t, 8)
		g.batch(t, 2)
	}},
	// The same, then all but the last facts in a snapshot.
	{name: "snapshot", make: func(t *testing.T, g *goldenLog) {
		g.write(t, 12)
		g.batch(t, 3)
		require.NoError(t, g.log.WriteSnapshot(t.Context(), 0))
		g.write(t, 2)
	}},
	// A segment from which facts were pruned, singly and from a group.
	{name: "pruned", horizons: tasksTo(7, 11_250), make: func(t *testing.T, g *goldenLog) {
		g.write(t, 4)
		g.batch(t, 3)
		g.tick()
		_, err := g.log.Prune(t.Context(), func(yield func(uint64) bool) { _ = yield(2) && yield(6) && yield(4) }, backend.Horizon{})
		require.NoError(t, err)
		g.write(t, 2)
	}},
	// A snapshot from which facts were pruned, and a segment without remaining facts.
	{name: "pruned-snapshot", horizons: tasksTo(7, 15_000), make: func(t *testing.T, g *goldenLog) {
		g.write(t, 5)
		g.tick()
		require.NoError(t, g.log.WriteSnapshot(t.Context(), 0))
		g.write(t, 2)
		g.tick()
		_, err := g.log.Prune(t.Context(), func(yield func(uint64) bool) { _ = yield(2) && yield(6) && yield(7) }, backend.Horizon{})
		require.NoError(t, err)
		g.write(t, 1)
	}},
	// Markers of a log that is synced at intervals.
	{name: "interval", opts: file.Options{Sync: file.SyncInterval, SyncInterval: time.Millisecond}, make: func(t *testing.T, g *goldenLog) {
		for range 2 {
			g.write(t, 1)
			g.durable(t)
			g.batch(t, 2)
			g.durable(t)
		}
		g.write(t, 1) // Close makes it durable
	}},
	// Two stores have the same IDs, in a snapshot, a segment and the active segment; and the facts have By.
	{name: "ids", since4: true, make: func(t *testing.T, g *goldenLog) {
		put := func(id, store, by string) {
			g.tick()
			_, err := g.log.WriteFact(t.Context(), backend.Fact{ID: id, Store: store, Key: "k", Value: fmt.Appendf(nil, "%q", strings.Repeat(store, 500)), By: by})
			require.NoError(t, err)
		}
		put("same", "tasks", "app")
		put("same", "notes", "")
		put("01900000-0000-7000-8000-000000000001", "tasks", "")
		require.NoError(t, g.log.WriteSnapshot(t.Context(), 0))
		put("01900000-0000-7000-8000-000000000001", "notes", `an "app"`)
		put("same", "other", "app")
		put("same", "third", "app")
		put("same", "fourth", "app")
	}},
	{name: "never", opts: file.Options{Sync: file.SyncNever}, make: func(t *testing.T, g *goldenLog) { g.write(t, 3) }},
}

// A goldenLog is a golden log that is being made.
type goldenLog struct {
	log   *file.Log
	facts int
	clock atomic.Int64 // in microseconds
}

func (g *goldenLog) now() time.Time { return time.UnixMicro(g.clock.Load()) }

func (g *goldenLog) tick() { g.clock.Add(1_250_000) }

// fact returns the next fact. Together, the facts use every field.
func (g *goldenLog) fact() backend.Fact {
	g.facts++
	n := g.facts
	f := backend.Fact{
		ID: fmt.Sprintf("01900000-0000-7000-8000-%012d", n), Store: "tasks", Key: fmt.Sprint("key ", n%5),
		Value: fmt.Appendf(nil, `{"n":%d,"number":1.0e-07,"text":%q}`, n, strings.Repeat("grün ", n*5)),
	}
	switch n % 7 {
	case 1:
		f.ID, f.Store, f.Key, f.Value = fmt.Sprint("named-", n), "Läden", "", []byte(`[1,null,"a\nb"]`)
	case 3:
		f.ValidTime, f.SchemaVersion = time.Unix(-5, 500_000_000), 3
	case 5:
		f.Producer, f.Derivation = []byte(`{"name":"golden"}`), []byte(`["named-1"]`)
	case 6:
		f.Value = []byte("null")
	}
	return f
}

func (g *goldenLog) write(t *testing.T, n int) {
	for range n {
		g.tick()
		_, err := g.log.WriteFact(t.Context(), g.fact())
		require.NoError(t, err)
	}
}

func (g *goldenLog) batch(t *testing.T, n int) {
	g.tick()
	var b backend.Batch
	for range n {
		b.Facts = append(b.Facts, g.fact())
	}
	require.NoError(t, g.log.Write(t.Context(), b)[0].Err)
}

// durable waits until all facts are durable.
func (g *goldenLog) durable(t *testing.T) {
	require.Eventually(t, func() bool {
		s, err := g.log.Stats(t.Context())
		return err != nil || s.DurableSeq == s.LastSeq
	}, time.Minute, time.Millisecond)
}

// makeGolden makes a golden log in a directory.
func (x golden) makeGolden(t *testing.T, dir string) {
	g := &goldenLog{}
	g.clock.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMicro())
	opts := x.opts
	opts.Path, opts.SegmentSize, opts.Now = dir, 4<<10, g.now
	var err error
	g.log, err = file.Open(t.Context(), opts)
	require.NoError(t, err)
	x.make(t, g)
	require.NoError(t, g.log.Close())
	// After reopening, each file that takes no more writes has an index.
	g.log, err = file.Open(t.Context(), opts)
	require.NoError(t, err)
	require.NoError(t, g.log.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, "LOCK")))
	require.NoError(t, os.Remove(filepath.Join(dir, "RESERVE")))
}

// factText returns a fact as the codec writes it.
func factText(f *backend.Fact) string { return string(wire.AppendFact(nil, f)) }

// replayed returns the facts of a log, a line each.
func replayed(t *testing.T, l *file.Log) string {
	var lines strings.Builder
	for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		require.NoError(t, f.Validate())
		lines.WriteString(factText(&f) + "\n")
	}
	return lines.String()
}

// TestGolden opens a copy of each golden log. It holds exactly the facts beside it, is opened from its
// indexes, and takes writes.
func TestGolden(t *testing.T) {
	for _, goldenDir := range []string{goldenDir, goldenDir2, goldenDir3, goldenDir4} {
		testGolden(t, goldenDir)
	}
}

func testGolden(t *testing.T, goldenDir string) {
	for _, x := range goldens {
		if goldenDir == goldenDir3 && x.horizons == nil || x.since4 != (goldenDir == goldenDir4) {
			continue
		}
		update := *updateGolden && x.written() == filepath.Join(goldenDir, x.name)
		t.Run(filepath.Base(goldenDir)+"/"+x.name, func(t *testing.T) {
			from, want := filepath.Join(goldenDir, x.name), filepath.Join(goldenDir, x.name+".jsonl")
			if update {
				require.NoError(t, os.RemoveAll(from))
				require.NoError(t, os.MkdirAll(from, 0o755))
				x.makeGolden(t, from)
			}
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
			l, err := file.Open(t.Context(), file.Options{Path: dir, Sync: x.opts.Sync})
			require.NoError(t, err)
			facts := replayed(t, l)
			if update {
				require.NoError(t, os.WriteFile(want, []byte(facts), 0o644))
			}
			expected, err := os.ReadFile(want)
			require.NoError(t, err)
			require.Equal(t, string(expected), facts)

			segments, err := filepath.Glob(filepath.Join(from, "*.wal"))
			require.NoError(t, err)
			r := l.Report()
			require.Equal(t, []string{filepath.Base(segments[len(segments)-1])}, r.Read, "only the active segment is read: the others have indexes")
			require.Empty(t, r.Cuts)
			require.Empty(t, r.Removed)
			require.Equal(t, uint64(strings.Count(facts, "\n")), r.Facts)

			// The indexes have all IDs and keys of the log.
			latest, ids := map[[2]string]string{}, map[[2]string]string{}
			for line := range strings.Lines(facts) {
				f, err := wire.CheckFact([]byte(line))
				require.NoError(t, err)
				latest[[2]string{f.Store, f.Key}], ids[[2]string{f.Store, f.ID}] = f.ID, line
			}
			for name, line := range ids {
				f, err := wire.CheckFact([]byte(line))
				require.NoError(t, err)
				held, err := l.WriteFact(t.Context(), backend.Fact{ID: name[1], Store: f.Store, Key: f.Key, Value: f.Value})
				require.NoError(t, err)
				require.Equal(t, line, factText(&held)+"\n", "the log knows the ID")
			}
			for name, id := range latest {
				f, err := l.WriteFact(t.Context(), backend.Fact{ID: "next of " + id, Store: name[0], Key: name[1], Value: []byte(`1`)})
				require.NoError(t, err)
				require.Equal(t, id, f.Causation, "the log knows the latest fact of %q", name)
			}
			require.NoError(t, l.Close())
		})
	}
}

// TestGoldenHorizons opens logs with pruned facts, with and without horizons.
func TestGoldenHorizons(t *testing.T) {
	for _, x := range goldens {
		if x.horizons == nil {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			var facts []string
			for _, in := range []string{goldenDir, goldenDir2, goldenDir3} {
				from := filepath.Join(in, x.name)
				dir := t.TempDir()
				require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
				l, err := file.Open(t.Context(), file.Options{Path: dir})
				require.NoError(t, err)
				facts = append(facts, replayed(t, l))
				stats, err := l.Stats(t.Context())
				require.NoError(t, err)
				if in != goldenDir {
					require.Equal(t, x.horizons, stats.Horizons)
				} else {
					require.Empty(t, stats.Horizons)
				}
				require.NoError(t, l.Close())
			}
			require.Equal(t, facts[0], facts[1])
			require.Equal(t, facts[0], facts[2])
		})
	}
}

// TestGoldenWritten makes each golden log again. Its frames are the same, byte for byte, except the identity of the log and
// the boot ID. Of compressed blocks only the content is compared, and indexes are not compared.
func TestGoldenWritten(t *testing.T) {
	for _, x := range goldens {
		t.Run(x.name, func(t *testing.T) {
			old, dir := x.written(), t.TempDir()
			x.makeGolden(t, dir)
			names := func(dir string) []string {
				var all []string
				entries, err := os.ReadDir(dir)
				require.NoError(t, err)
				for _, e := range entries {
					all = append(all, e.Name())
				}
				return all
			}
			require.Equal(t, names(old), names(dir))
			for _, name := range names(old) {
				want, err := os.ReadFile(filepath.Join(old, name))
				require.NoError(t, err)
				have, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				switch filepath.Ext(name) {
				case ".wal":
					require.Equal(t, unnamed(bodies(t, want)), unnamed(bodies(t, have)), name)
				case ".snap":
					require.Equal(t, unpacked(t, want), unpacked(t, have), name)
				}
			}
		})
	}
}
