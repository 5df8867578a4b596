package main

import "golang.org/x/sys/unix"

// monotonic returns the time of CLOCK_MONOTONIC in microseconds.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // there is such a clock
	return t.Nano() / 1000
}
