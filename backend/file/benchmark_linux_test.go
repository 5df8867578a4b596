// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// benchFact returns a fact of about 420 bytes of JSON, with one of 250,000 keys. It has its hash, so that
// only the log is measured.
func benchFact(n int) backend.Fact {
	return backend.Fact{
		ID: fmt.Sprintf("0197c0de-8c1a-7055-%04x-%012x", n>>16&0xffff, uint64(n)*0x9e3779b97f4a7c15>>16), Store: "tasks", Key: fmt.Sprintf("task-%06d", n%250_000),
		Value: []byte(`{"title":"Write the report for the third quarter","state":"open","priority":3,` +
			`"tags":["work","urgent"],"estimate":12.5,"owner":"someone@example.org"}`),
		ValueHash: "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
	}
}

// BenchmarkDurable measures facts written under SyncAlways. Beside each case it measures the limit of the disk: a loop that
// writes the same number of bytes to a file of zeros, as if all writers shared a sync, and calls fdatasync.
func BenchmarkDurable(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d/raw", writers), func(b *testing.B) { benchmarkRaw(b, writers) })
		b.Run(fmt.Sprintf("writers=%d/log", writers), func(b *testing.B) { benchmarkWriters(b, SyncAlways, writers) })
	}
	b.Run("batch=100/raw", func(b *testing.B) { benchmarkRaw(b, 100) })
	for _, writers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("batch=100/log/writers=%d", writers), func(b *testing.B) { benchmarkBatches(b, writers) })
	}
}

// BenchmarkUnsynced measures facts written under SyncNever.
func BenchmarkUnsynced(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchmarkWriters(b, SyncNever, writers) })
	}
}

// BenchmarkPlace measures writing a frame of one fact, or of 64, to a segment by pwrite and by a copy to the
// mapped file, with a sync after it and without.
func BenchmarkPlace(b *testing.B) {
	for _, facts := range []int{1, 64} {
		for _, synced := range []bool{true, false} {
			for _, mapped := range []bool{false, true} {
				b.Run(fmt.Sprintf("facts=%d/synced=%t/mapped=%t", facts, synced, mapped), func(b *testing.B) {
					benchmarkPlace(b, facts, synced, mapped)
				})
			}
		}
	}
}

func perSecond(b *testing.B, facts int) {
	b.ReportMetric(float64(facts)/b.Elapsed().Seconds(), "facts/s")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(facts), "ns/fact")
}

func benchmarkRaw(b *testing.B, facts int) { benchmarkPlace(b, facts, true, false) }

// zeroFile makes a file of zeros as large as a segment.
func zeroFile(b *testing.B) vfs.File {
	f, err := vfs.OS{}.Create(filepath.Join(b.TempDir(), "raw"))
	require.NoError(b, err)
	b.Cleanup(func() { f.Close() })
	for at := int64(0); at < defaultSegmentSize; at += int64(len(zeros)) {
		require.NoError(b, vfs.WriteAll(f, zeros[:], at))
	}
	require.NoError(b, f.Sync())
	return f
}

func benchmarkPlace(b *testing.B, facts int, synced, mapped bool) {
	f := zeroFile(b)
	var frame []byte
	for n := range facts {
		fact := benchFact(n)
		fact.Seq = uint64(n + 1)
		frame = wire.AppendFrame(frame, wire.AppendFact(nil, &fact))
	}
	var segment []byte
	if mapped {
		var err error
		segment, err = syscall.Mmap(int(f.(interface{ Fd() uintptr }).Fd()), 0, defaultSegmentSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		require.NoError(b, err)
		defer func() { require.NoError(b, syscall.Munmap(segment)) }()
	}
	at, n := 0, 0
	for b.Loop() {
		if at+len(frame) > defaultSegmentSize {
			at = 0
		}
		if mapped {
			copy(segment[at:], frame)
		} else if err := vfs.WriteAll(f, frame, int64(at)); err != nil {
			b.Fatal(err)
		}
		if synced {
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		at += len(frame)
		n += facts
	}
	perSecond(b, n)
}

func benchmarkWriters(b *testing.B, sync_ Sync, writers int) {
	l := openTest(b, Options{Path: b.TempDir(), Sync: sync_})
	facts := make([]backend.Fact, b.N)
	for n := range facts {
		facts[n] = benchFact(n)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(len(facts)); n = next.Add(1) {
				if _, err := l.WriteFact(context.Background(), facts[n-1]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	perSecond(b, b.N)
	s := l.state.Load()
	b.ReportMetric(float64(s.grouped)/float64(s.groups), "facts/group")
}

func benchmarkBatches(b *testing.B, writers int) {
	const size = 100
	l := openTest(b, Options{Path: b.TempDir()})
	facts := make([]backend.Fact, b.N*size)
	for n := range facts {
		facts[n] = benchFact(n)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if _, err := writeBatch(b.Context(), l, backend.Batch{Facts: facts[(n-1)*size : n*size]}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	perSecond(b, b.N*size)
}

// benchLog returns the directory of a log of many facts: a million, or IGNITER_FACTS. With IGNITER_LOG it is
// created there once and stays, so that another process can open it.
func benchLog(b *testing.B) (dir string, facts int) {
	b.Helper()
	facts = 1_000_000
	if text := os.Getenv("IGNITER_FACTS"); text != "" {
		var err error
		facts, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	if dir = os.Getenv("IGNITER_LOG"); dir == "" {
		dir = b.TempDir()
	}
	if _, err := os.Stat(filepath.Join(dir, lockName)); err == nil {
		return dir, facts
	}
	l, err := Open(context.Background(), Options{Path: dir, Sync: SyncNever})
	require.NoError(b, err)
	batch := make([]backend.Fact, 0, 200)
	for n := range facts {
		if batch = append(batch, benchFact(n)); len(batch) == cap(batch) || n == facts-1 {
			_, err := writeBatch(context.Background(), l, backend.Batch{Facts: batch})
			require.NoError(b, err)
			batch = batch[:0]
		}
	}
	require.NoError(b, l.Close())
	l, err = Open(context.Background(), Options{Path: dir, Sync: SyncNever}) // makes the missing indexes
	require.NoError(b, err)
	require.NoError(b, l.Close())
	return dir, facts
}

// BenchmarkLog opens and replays a log of a million facts, in segments and then in a snapshot, and reports
// how many bytes it takes on disk.
func BenchmarkLog(b *testing.B) {
	dir, facts := benchLog(b)
	for _, form := range []string{"segments", "snapshot"} {
		if form == "snapshot" {
			l := openTest(b, Options{Path: dir, Sync: SyncNever})
			require.NoError(b, l.WriteSnapshot(b.Context(), 0))
			require.NoError(b, l.Close())
		}
		b.Run(form+"/open", func(b *testing.B) { benchmarkOpen(b, dir, facts, false) })
		b.Run(form+"/replay", func(b *testing.B) { benchmarkReplay(b, dir, facts) })
	}
}

// BenchmarkOpenWithoutIndexes opens a log of a million facts whose indexes are lost.
func BenchmarkOpenWithoutIndexes(b *testing.B) {
	dir, facts := benchLog(b)
	benchmarkOpen(b, dir, facts, true)
}

func benchmarkOpen(b *testing.B, dir string, facts int, lose bool) {
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if lose {
			b.StopTimer()
			indexes, err := filepath.Glob(filepath.Join(dir, "*"+indexExt))
			require.NoError(b, err)
			for _, name := range indexes {
				require.NoError(b, os.Remove(name))
			}
			b.StartTimer()
		}
		l, err := Open(b.Context(), Options{Path: dir, Sync: SyncNever})
		require.NoError(b, err)
		b.StopTimer()
		s, err := l.Stats(b.Context())
		require.NoError(b, err)
		require.EqualValues(b, facts, s.Facts)
		b.ReportMetric(float64(s.Bytes)/float64(facts), "disk-B/fact")
		require.NoError(b, l.Close())
		n += facts
		b.StartTimer()
	}
	perSecond(b, n)
	b.ReportMetric(peakRSS(b), "peak-MB")
}

func benchmarkReplay(b *testing.B, dir string, facts int) {
	l := openTest(b, Options{Path: dir, Sync: SyncNever})
	b.ReportAllocs()
	b.ResetTimer()
	n, bytes := 0, 0
	for b.Loop() {
		before := n
		for f, err := range backend.Facts(l.Replay(context.Background(), backend.Range{})) {
			if err != nil {
				b.Fatal(err)
			}
			bytes += len(f.Value)
			n++
		}
		if n-before != facts {
			b.Fatalf("%d facts, and not %d", n-before, facts)
		}
	}
	b.SetBytes(int64(420 * facts))
	perSecond(b, n)
	b.ReportMetric(peakRSS(b), "peak-MB")
}

// peakRSS returns the peak memory of the process, in megabytes.
func peakRSS(b *testing.B) float64 {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Maxrss) / 1000
}
