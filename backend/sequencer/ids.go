package sequencer

import (
	"hash/maphash"
	"iter"

	"github.com/igniter-store/igniter/internal/uuidtext"
)

// Remembered is how many of its latest IDs a log knows at least.
const Remembered = 1_000_000

// An idIndex finds the seqs of IDs. It holds a part of their hashes alone: who looks an ID up
// compares it with that of the fact at the seq.
//
// Its memory is bounded by generations: IDs are added to the last table until that has a
// generation of them, and a table goes once those after it have one: mostly there are two.
type idIndex struct {
	hash       func(id ID) uint32
	generation int
	tables     []hashTable
	warmed     uint64
}

func newIDIndex() idIndex {
	seed := maphash.MakeSeed()
	return idIndex{
		hash: func(id ID) uint32 {
			if id.Text != "" {
				return uint32(maphash.String(seed, id.Text))
			}
			return uint32(maphash.Bytes(seed, id.UUID[:]))
		},
		generation: Remembered,
		tables:     make([]hashTable, 1),
	}
}

// An ID is a fact's ID in little room.
type ID struct {
	UUID [16]byte // if Text is empty: the UUID whose usual text, in lower case, the ID is
	Text string
}

// IDOf returns the ID whose text is id. It shares the text's memory.
func IDOf(id string) ID {
	if u, ok := uuidtext.Parse(id); ok {
		return ID{UUID: u}
	}
	return ID{Text: id}
}

// String returns the text.
func (id ID) String() string {
	if id.Text != "" {
		return id.Text
	}
	return uuidtext.String(id.UUID)
}

// find yields the seqs at which the fact with the ID may be.
func (x *idIndex) find(id ID) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		h := x.hash(id)
		for i := len(x.tables) - 1; i >= 0; i-- {
			if !x.tables[i].find(h, yield) {
				return
			}
		}
	}
}

// add adds an ID. Seqs are added in order.
func (x *idIndex) add(id ID, seq uint64) {
	last := &x.tables[len(x.tables)-1]
	if last.used > 0 && seq-last.base > maxOffset {
		x.tables = append(x.tables, hashTable{})
		last = &x.tables[len(x.tables)-1]
	}
	last.add(x.hash(id), seq)
}

// warm prepares adding the IDs, see hashTable.warm.
func (x *idIndex) warm(facts []Loaded) {
	last := &x.tables[len(x.tables)-1]
	for i := range facts {
		x.warmed ^= last.warm(x.hash(facts[i].ID))
	}
}

// reserve makes room for n more IDs, as far as they are kept.
func (x *idIndex) reserve(n int) {
	last := &x.tables[len(x.tables)-1]
	last.reserve(max(0, min(n, x.generation-last.used)))
}

// remove takes back an add.
func (x *idIndex) remove(id ID, seq uint64) {
	for i := len(x.tables) - 1; i >= 0 && !x.tables[i].remove(x.hash(id), seq); i-- {
	}
}

// age drops the IDs that need not be remembered any more.
func (x *idIndex) age() {
	if x.tables[len(x.tables)-1].used < x.generation {
		return
	}
	after := 0
	for i := len(x.tables) - 1; i >= 0; i-- {
		if after >= x.generation {
			x.tables = append([]hashTable(nil), x.tables[i+1:]...)
			break
		}
		after += x.tables[i].used
	}
	x.tables = append(x.tables, hashTable{})
}
