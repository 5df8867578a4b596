//go:build !linux

package vfs

// giveAway does nothing: a new file belongs to the process's user.
func giveAway(string, func(uid, gid int) error) error { return nil }
