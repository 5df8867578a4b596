//go:build !linux

package store

import "unsafe"

// wantHugePages leaves the size of pages to the system.
func wantHugePages(unsafe.Pointer, uintptr) {}
