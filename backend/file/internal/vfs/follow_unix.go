//go:build !windows

package vfs

import "syscall"

// noFollow makes opening fail for a link, and return at once for a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
