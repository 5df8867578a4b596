// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkIDs looks up and adds the IDs of a log of ten million facts, and reports their maximum memory. BenchmarkKeys
// does the same for a million keys.
func BenchmarkIDs(b *testing.B) {
	const count = 10_000_000
	of := func(n uint64) (id ID) {
		binary.BigEndian.PutUint64(id.UUID[8:], n)
		return id
	}
	added := 0
	var most float64
	for b.Loop() {
		x := newIDIndex()
		for n := range uint64(count) {
			for range x.find("tasks", of(n), x.hash("tasks", of(n))) {
				break
			}
			x.add("tasks", x.hash("tasks", of(n)), n+1)
			if n%100_000 == 99_999 {
				slots := 0
				for i := range x.tables[0].parts {
					slots += len(x.tables[0].parts[i].slots)
				}
				most = max(most, float64(8*slots)/float64(n+1))
			}
		}
		added += count
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(added), "ns/ID")
	b.ReportMetric(most, "B/ID-at-most")
}

func BenchmarkKeys(b *testing.B) {
	for b.Loop() {
		before := heap()
		x := newKeyIndex()
		for n := range uint64(1_000_000) {
			key := fmt.Sprintf("task-%07d", n)
			x.set("tasks", key, x.hash("tasks", key), n+1, IDOf(fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", n)))
		}
		b.ReportMetric(float64(heap()-before)/1e6, "B/key")
		runtime.KeepAlive(&x)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
