package store

import (
	"syscall"
	"unsafe"
)

// wantHugePages asks that a large block of memory, not yet written to, gets large pages where the
// system has some to give: a read somewhere in many small ones costs a walk through the page tables
// on top of what it reads. It is advice, and what the system answers changes nothing else.
func wantHugePages(p unsafe.Pointer, size uintptr) {
	page := uintptr(syscall.Getpagesize())
	skip := (page - uintptr(p)%page) % page
	if size < minHuge || size-skip < page {
		return
	}
	whole := (size - skip) / page * page
	_ = syscall.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, skip)), whole), syscall.MADV_HUGEPAGE)
}

const minHuge = 1 << 20
