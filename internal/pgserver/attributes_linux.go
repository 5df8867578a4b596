// SPDX-License-Identifier: Apache-2.0

package pgserver

import "syscall"

// Attributes make a server's process end with the tests, and run as the user uid unless that is 0.
func Attributes(uid, gid uint32) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if uid != 0 {
		a.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return a
}
