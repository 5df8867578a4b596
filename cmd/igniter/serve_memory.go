// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
)

// limitMemory gives the runtime a memory limit, unless GOMEMLIMIT does: three quarters of what the cgroup, or the limits of the process,
// leave it. The rest is for what the runtime does not count, and for memory that it cannot use for want of large pieces.
func limitMemory(log *zap.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	left, of := memoryLeft()
	if group, err := memlimit.FromCgroup(); err == nil && group < left {
		left, of = group, "cgroup"
	}
	if of == "" {
		return
	}
	limit := left / 4 * 3
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
