// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// BenchmarkOpenFile opens an engine over a million facts in files, or as many as IGNITER_FACTS says. It
// reports how fast that is, what it takes of memory at its peak (by the system's count, the log's own
// indexes included) and once settled, and how long the collector then works and stops the program.
// "empty" is the collector with nothing to look at, beside it.
func BenchmarkOpenFile(b *testing.B) {
	facts := 1_000_000
	if text := os.Getenv("IGNITER_FACTS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(b, err)
		facts = n
	}
	dir := b.TempDir()
	json := fillFile(b, dir, facts)
	b.Run("empty", func(b *testing.B) {
		collect(b)
	})
	b.Run(fmt.Sprint(facts), func(b *testing.B) {
		base := heap()
		debug.FreeOSMemory()
		resetPeak(b)
		before := resident(b, "VmRSS:")
		start := time.Now()
		l, err := file.Open(b.Context(), file.Options{Path: dir})
		require.NoError(b, err)
		defer l.Close()
		opened := time.Since(start)
		start = time.Now()
		e, err := store.Open(b.Context(), l, store.Options{})
		require.NoError(b, err)
		defer e.Close()
		loaded := time.Since(start)
		peak := resident(b, "VmHWM:")
		settled := heap()
		collect(b)
		n := float64(facts)
		b.ReportMetric(n/loaded.Seconds(), "facts/s")
		b.ReportMetric(n/(opened+loaded).Seconds(), "facts/s-with-log")
		b.ReportMetric(float64(peak-before)/n, "peak-B/fact")
		b.ReportMetric(float64(settled-base)/n, "settled-B/fact")
		b.ReportMetric(float64(json)/n, "json-B/fact")
		runtime.KeepAlive(e)
	})
}

// fillFile writes facts to a log and returns how many bytes of JSON they are.
func fillFile(b *testing.B, dir string, facts int) (json int64) {
	l, err := file.Open(b.Context(), file.Options{Path: dir, Sync: file.SyncNever})
	require.NoError(b, err)
	batch := backend.Batch{}
	for i := range facts {
		f := typical(i)
		f.ID = fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", i)
		batch.Facts = append(batch.Facts, f)
		if len(batch.Facts) == 1000 || i == facts-1 {
			written := l.Write(context.Background(), batch)[0]
			require.NoError(b, written.Err)
			for i := range written.Facts {
				json += int64(len(wire.AppendFact(nil, &written.Facts[i])))
			}
			batch.Facts = batch.Facts[:0]
		}
	}
	require.NoError(b, l.Close())
	return json
}

// collect lets the collector work, and reports how long it stopped the program meanwhile.
func collect(b *testing.B) {
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	for b.Loop() {
		runtime.GC()
	}
	debug.ReadGCStats(&after)
	pauses := after.Pause[:min(len(after.Pause), int(after.NumGC-before.NumGC))] // the latest come first
	slices.Sort(pauses)
	b.ReportMetric(float64(pauses[len(pauses)/2].Nanoseconds())/1000, "µs-pause-median")
	b.ReportMetric(float64(pauses[len(pauses)-1].Nanoseconds())/1000, "µs-pause-max")
}

// resetPeak makes the process's memory now its peak.
func resetPeak(b *testing.B) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip("the system does not count the peak: ", err)
	}
}

// resident returns what the system says of the process's memory, in bytes.
func resident(b *testing.B, field string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			require.NoError(b, err)
			return n << 10
		}
	}
	b.Fatal("no ", field)
	return 0
}
