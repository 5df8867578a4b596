// SPDX-License-Identifier: Apache-2.0

package hugepage

import (
	"os"
	"syscall"
	"unsafe"
)

func advise(b []byte) {
	page := os.Getpagesize()
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (page - 1)
	if n := (len(b) - skip) &^ (page - 1); n > 0 {
		_ = syscall.Madvise(b[skip:skip+n], syscall.MADV_HUGEPAGE) // fails on a kernel without huge pages, which does no harm
	}
}
