package store

import (
	"cmp"
	"slices"
)

// maxBlock is how many numbers are kept side by side. Adding and removing one moves no more of them.
const maxBlock = 1024

// numbers is a set of keys' numbers, in their order: few of them in one block, many in blocks that are
// none of them empty.
type numbers struct {
	few  []uint32
	many [][]uint32 // nil while there are few
}

func (s *numbers) empty() bool { return len(s.few) == 0 && len(s.many) == 0 }

// block returns the index of the block among many that n belongs to: the first one that ends with n or
// later, or the last one.
func (s *numbers) block(n uint32) int {
	i, _ := slices.BinarySearchFunc(s.many, n, func(b []uint32, n uint32) int { return cmp.Compare(b[len(b)-1], n) })
	return min(i, len(s.many)-1)
}

func (s *numbers) add(n uint32) {
	if s.many == nil {
		if s.few = insert(s.few, n); len(s.few) > maxBlock {
			s.many, s.few = [][]uint32{s.few}, nil
		}
		return
	}
	i := s.block(n)
	b := insert(s.many[i], n)
	if s.many[i] = b; len(b) <= maxBlock {
		return
	}
	half := len(b) / 2
	if i == len(s.many)-1 {
		half = maxBlock // mostly numbers come in their order
	}
	s.many[i] = b[:half:half]
	s.many = slices.Insert(s.many, i+1, slices.Clone(b[half:]))
}

func (s *numbers) remove(n uint32) {
	if s.many == nil {
		s.few = remove(s.few, n)
		return
	}
	i := s.block(n)
	if s.many[i] = remove(s.many[i], n); len(s.many[i]) > 0 {
		return
	}
	if s.many = slices.Delete(s.many, i, i+1); len(s.many) == 0 {
		s.many = nil
	}
}

// appendTo appends the numbers to dst.
func (s *numbers) appendTo(dst []uint32) []uint32 {
	dst = append(dst, s.few...)
	for _, b := range s.many {
		dst = append(dst, b...)
	}
	return dst
}

func insert(sorted []uint32, n uint32) []uint32 {
	i, found := slices.BinarySearch(sorted, n)
	if found {
		return sorted
	}
	return slices.Insert(sorted, i, n)
}

func remove(sorted []uint32, n uint32) []uint32 {
	i, found := slices.BinarySearch(sorted, n)
	if !found {
		return sorted
	}
	return slices.Delete(sorted, i, i+1)
}
