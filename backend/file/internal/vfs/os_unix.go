//go:build !windows

package vfs

import (
	"os"
	"syscall"
)

// noFollow makes opening fail for a link, and return at once for a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func open(name string, flag int) (*os.File, error) { return os.OpenFile(name, flag|noFollow, 0o644) }

func rename(from, to string) error { return os.Rename(from, to) }

func remove(name string) error { return os.Remove(name) }

func syncDir(dir *os.File) error { return dir.Sync() }
