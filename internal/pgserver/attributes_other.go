// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package pgserver

import "syscall"

func Attributes(_, _ uint32) *syscall.SysProcAttr { return nil }
