// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
)

// limitMemory sets the runtime's memory limit, unless GOMEMLIMIT is set. The limit is three quarters of the cgroup's
// limit, or half of what the limits of the process leave, whichever is less. The limits of the process count addresses:
// the runtime returns memory, but not addresses, and can't use all of them for large allocations.
func limitMemory(log *zap.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit, of := memoryLeft()
	limit /= 2
	if group, err := memlimit.FromCgroup(); err == nil && group/4*3 < limit {
		limit, of = group/4*3, "cgroup"
	}
	if of == "" {
		return
	}
	debug.SetMemoryLimit(int64(min(limit, math.MaxInt64)))
	log.Info("set a memory limit, since GOMEMLIMIT is not set", zap.String("because of", of), zap.Uint64("bytes", limit))
}

// storesMemory returns how many bytes stores may take in memory: by default, at most an eighth of the memory limit.
func (s *service) storesMemory() int64 {
	n := int64(s.app.values.Int("http_memory"))
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 && s.app.values.IsDefault("http_memory") {
		n = min(n, limit/8)
	}
	return max(n, 1)
}
