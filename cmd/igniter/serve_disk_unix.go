// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import "syscall"

// diskFree returns how many bytes this process can write to the file system of a directory; 0: it is not known.
func diskFree(path string) uint64 {
	var s syscall.Statfs_t
	if path == "" || syscall.Statfs(path, &s) != nil {
		return 0
	}
	return uint64(s.Bavail) * uint64(s.Bsize)
}
