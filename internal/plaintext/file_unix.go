// SPDX-License-Identifier: Apache-2.0

//go:build unix

package plaintext

import "syscall"

// nonBlocking has a pipe be opened though nobody writes to it, and reads of it end at a deadline.
const nonBlocking = syscall.O_NONBLOCK
