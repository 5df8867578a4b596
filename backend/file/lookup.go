package file

import (
	"context"
	"sort"

	"github.com/igniter-store/igniter/backend"
)

// A lookup finds single facts for the sequencer. Facts that are written again mostly come in the order in
// which they were written first, so it reads on behind one that is near to that before.
type lookup struct {
	log        *Log
	generation int            // of the pieces when facts were read
	facts      []backend.Fact // in the order of their seqs
	last       uint64         // the seq that was looked up last
}

// Bounds of a lookup.
const (
	lookupNear = 1000      // seqs
	lookupSize = blockSize // bytes of values to read at once, about
)

// Fact returns the fact at seq, for the sequencer.
func (x *lookup) Fact(seq uint64) (backend.Fact, bool, error) {
	near := seq > x.last && seq-x.last <= lookupNear
	x.last = seq
	if !x.log.unchanged(x.generation) {
		x.facts = nil // what was pruned is gone
	}
	if f, ok := x.find(seq); ok {
		return f, true, nil
	}
	if err := x.read(seq, near); err != nil {
		return backend.Fact{}, false, err
	}
	f, ok := x.find(seq)
	return f, ok, nil
}

func (x *lookup) find(seq uint64) (backend.Fact, bool) {
	i := sort.Search(len(x.facts), func(i int) bool { return x.facts[i].Seq >= seq })
	if i == len(x.facts) || x.facts[i].Seq != seq {
		return backend.Fact{}, false
	}
	return x.facts[i].Clone(), true
}

// read reads the facts of a frame from a seq on and, if on, of those behind it.
func (x *lookup) read(seq uint64, on bool) error {
	l := x.log
	l.mu.Lock()
	x.generation, x.facts = l.generation, nil
	l.mu.Unlock()
	r := l.reader(seq - 1)
	defer r.close()
	for size := 0; size == 0 || on && size < lookupSize; {
		facts, _, err := r.next(context.Background())
		if len(x.facts) > 0 && err != nil {
			return nil // who looks for what is there tells of it
		}
		if err != nil || len(facts) == 0 {
			return err
		}
		x.facts = append(x.facts, facts...)
		r.seq = facts[len(facts)-1].Seq
		for i := range facts {
			size += len(facts[i].Value) + factOverhead
		}
	}
	return nil
}
