// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math/bits"
	"sync/atomic"

	"github.com/igniter-store/igniter/internal/hugepage"
)

// One goroutine at a time writes to the types in the files space_*.go, and any number of goroutines read them without a
// lock: an atomic store publishes data after it was written, and published data does not change.

// A ref is a position in an arena; 0 refers to nothing.
type ref uint64

const (
	minArenaChunk = 1 << 10
	maxArenaChunk = 4 << 20
)

// An arena keeps byte strings in chunks without pointers. It never frees one.
type arena struct {
	chunks atomic.Pointer[[][]byte] // all but the last at their full length
	last   []byte                   // the last one, up to the length that is used
}

// add copies b into the arena.
func (a *arena) add(b []byte) ref {
	if len(b) > cap(a.last)-len(a.last) {
		a.grow(len(b))
	}
	offset := len(a.last)
	a.last = append(a.last, b...)
	return ref(len(*a.chunks.Load())-1)<<32 | ref(offset)
}

func (a *arena) grow(n int) {
	var chunks [][]byte
	if old := a.chunks.Load(); old != nil {
		chunks = *old
	}
	size := max(minArenaChunk, min(2*cap(a.last), maxArenaChunk), n+1)
	chunk := hugepage.Make(size)
	grown := append(chunks[:len(chunks):len(chunks)], chunk)
	a.chunks.Store(&grown)
	a.last = chunk[:0]
	if len(grown) == 1 {
		a.last = chunk[:1] // so that no ref is 0
	}
}

// from returns the bytes from r to the end of its chunk.
func (a *arena) from(r ref) []byte {
	return (*a.chunks.Load())[r>>32][r&(1<<32-1):]
}

// An array grows without moving: block i has firstBlock<<i elements.
type array[T any] struct {
	blocks [32]atomic.Pointer[[]T]
}

const (
	firstBlock     = 8
	firstBlockBits = 3
)

// at returns the n-th element, counted from 0. room was called for it before.
func (a *array[T]) at(n uint32) *T {
	i, offset := place(n)
	return &(*a.blocks[i].Load())[offset]
}

// from returns the n-th element and those after it in its block. room was called for the n-th.
func (a *array[T]) from(n uint32) []T {
	i, offset := place(n)
	return (*a.blocks[i].Load())[offset:]
}

// room makes room for the n-th element.
func (a *array[T]) room(n uint32) {
	if i, _ := place(n); a.blocks[i].Load() == nil {
		block := make([]T, firstBlock<<i)
		a.blocks[i].Store(&block)
	}
}

func place(n uint32) (block int, offset uint64) {
	m := uint64(n) + firstBlock
	block = bits.Len64(m) - 1 - firstBlockBits
	return block, m - firstBlock<<block
}
