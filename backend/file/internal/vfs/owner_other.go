// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package vfs

import "io/fs"

// giveAway does nothing: a new file belongs to the process's user.
func giveAway(func() (fs.FileInfo, error), func(uid, gid int) error) error { return nil }
