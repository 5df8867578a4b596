// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"runtime"

	"github.com/igniter-store/igniter/backend"
)

// memoryCases are about the memory that loops use.
func memoryCases() []testCase {
	return []testCase{
		{"memory-replay", paging, "Memory in use does not grow with the log.", memoryReplay},
		{"memory-follow", paging, "Memory in use does not grow with the log; the rules of Replay hold for Follow.", memoryFollow},
	}
}

// A log of the memory cases takes this many bytes, and a loop may use half as many.
const memoryLog = 12 << 20

// inUse returns how many bytes of memory are in use.
func inUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// wantLittle fails the case unless a loop over a large log uses little memory. Other tests of the process may
// use memory at the same time, so one good loop of several is enough.
func (h *harness) wantLittle(start func(last uint64) loop, b backend.Log) {
	h.Helper()
	var last uint64
	n := memoryLog / backend.PageSize
	for i := range n {
		last = h.write(b, wide(i))[0].Seq
	}
	least := uint64(1 << 62)
	for try := 0; try < 2 || try < 200 && least < memoryLog; try++ { // more often when in doubt
		before, most, seen := inUse(), uint64(0), 0
		err := walk(start(last), func(backend.Fact) bool {
			if seen++; seen == 1 || seen == n/2 {
				most = max(most, inUse())
			}
			return seen < n
		})
		if err != nil || seen != n {
			h.Fatalf("a loop over %d facts yielded %d, error %v", n, seen, err)
		}
		if least = min(least, most-min(most, before)); least < memoryLog/2 {
			return
		}
	}
	h.Fatalf("a loop over a log of %d bytes takes %d bytes of memory", memoryLog, least)
}

func memoryReplay(h *harness) {
	b := h.open()
	h.wantLittle(func(uint64) loop { return replayOf(h.ctx, b, from(0)) }, b)
}

func memoryFollow(h *harness) {
	b := h.open()
	h.wantLittle(func(last uint64) loop { return followOf(h.ctx, b, backend.Range{Through: last}) }, b)
}
