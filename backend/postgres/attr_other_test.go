//go:build !linux

package postgres

import "syscall"

func attributes(_, _ uint32) *syscall.SysProcAttr { return nil }
