// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package vfs

import (
	"os"
	"syscall"
)

// Flags of open: noFollow fails for a link, and nonBlock returns at once for a pipe.
const (
	nonBlock = syscall.O_NONBLOCK
	noFollow = syscall.O_NOFOLLOW | nonBlock
)

// retry calls do once.
func retry(do func() error) error { return do() }

var passingHere []error // no further ones

func syncDir(dir *os.File) error { return dir.Sync() }
