// SPDX-License-Identifier: Apache-2.0

//go:build unix

package plaintext

import "syscall"

// nonBlocking lets a pipe be opened before it has a writer, and lets reads of it end at a deadline.
const nonBlocking = syscall.O_NONBLOCK
