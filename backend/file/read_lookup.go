// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"sort"

	"github.com/igniter-store/igniter/backend"
)

// A lookup finds single facts for the sequencer. Facts are mostly rewritten in the order in which they were first written.
// So if a fact is near the previous one, lookup also reads the facts after it.
type lookup struct {
	log    *Log
	pruned uint64         // the log's count when facts were read
	facts  []backend.Fact // in the order of their seqs
	last   uint64         // the last seq that was looked up
}

// Two seqs are near if they differ by at most lookupNear.
const lookupNear = 1000

// fact returns the fact at seq, if there is one. It shares its page's memory.
func (x *lookup) fact(seq uint64) (backend.Fact, bool, error) {
	near := seq > x.last && seq-x.last <= lookupNear
	x.last = seq
	if pruned := x.log.state.Load().pruned; pruned != x.pruned {
		x.facts, x.pruned = nil, pruned
	}
	if f, ok := x.find(seq); ok {
		return f, true, nil
	}
	size, err := x.read(seq, near)
	if err != nil {
		return backend.Fact{}, false, err
	}
	f, ok := x.find(seq)
	if size >= backend.LargePage {
		x.facts = nil
	}
	return f, ok, nil
}

func (x *lookup) find(seq uint64) (backend.Fact, bool) {
	i := sort.Search(len(x.facts), func(i int) bool { return x.facts[i].Seq >= seq })
	if i == len(x.facts) || x.facts[i].Seq != seq {
		return backend.Fact{}, false
	}
	return x.facts[i], true
}

// read reads the frame that has a seq and, if on is true, the following frames. It returns their size in bytes.
func (x *lookup) read(seq uint64, on bool) (size int, err error) {
	r := reader{log: x.log, size: 1}
	defer r.Close()
	if on {
		r.size = backend.PageSize
	}
	x.facts = nil
	for size == 0 || on && size < r.size {
		frames, err := r.Take(context.Background(), seq-1)
		end := frames.Facts == 0
		if err == nil {
			var facts []backend.Fact
			facts, err = frames.Parse()
			x.facts = append(x.facts, facts...)
		}
		if err != nil && len(x.facts) == 0 {
			return 0, err
		}
		if err != nil || end {
			break // damage after the fact does not matter here
		}
		size += len(frames.Bytes)
	}
	return size, nil
}
