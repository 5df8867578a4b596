// SPDX-License-Identifier: Apache-2.0

package sequencer

// A nameArena keeps byte strings in large blocks.
type nameArena struct {
	blocks [][]byte
}

// A nameRef is the position of a name in a nameArena.
type nameRef struct {
	block  uint32
	offset uint16
	length uint16
}

const nameBlock = 64<<10 - 1 // every offset fits a uint16, also the offset of an empty name at the end

func (a *nameArena) add(name string) nameRef {
	n := len(a.blocks)
	if n == 0 || len(a.blocks[n-1])+len(name) > cap(a.blocks[n-1]) {
		size := nameBlock
		if n == 0 {
			size = 1 << 10 // many logs are small
		}
		a.blocks = append(a.blocks, make([]byte, 0, max(size, len(name))))
		n++
	}
	block := &a.blocks[n-1]
	ref := nameRef{block: uint32(n - 1), offset: uint16(len(*block)), length: uint16(len(name))}
	*block = append(*block, name...)
	return ref
}

// cut undoes the last add.
func (a *nameArena) cut(r nameRef) { a.blocks[r.block] = a.blocks[r.block][:r.offset] }

func (a *nameArena) get(r nameRef) []byte {
	return a.blocks[r.block][r.offset:][:r.length]
}
