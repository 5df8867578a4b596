// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"os"
	"syscall"
)

// memoryLeft returns how much more memory the limits of the process allow, and the name of the limit; "" if there is no
// limit.
func memoryLeft() (left uint64, of string) {
	left = math.MaxUint64
	var pages, n, data uint64 // of all; of resident memory, shared memory, text and libraries; of data
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &pages, &n, &n, &n, &n, &data)
	}
	if err != nil {
		return left, ""
	}
	for _, x := range []struct {
		name     string
		resource int
		used     uint64
	}{{"RLIMIT_AS", syscall.RLIMIT_AS, pages}, {"RLIMIT_DATA", syscall.RLIMIT_DATA, data}} {
		var limit syscall.Rlimit
		if syscall.Getrlimit(x.resource, &limit) != nil || limit.Cur == math.MaxUint64 {
			continue
		}
		if rest := limit.Cur - min(limit.Cur, x.used*uint64(os.Getpagesize())); rest < left {
			left, of = rest, x.name
		}
	}
	return left, of
}
