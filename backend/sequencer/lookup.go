// SPDX-License-Identifier: Apache-2.0

package sequencer

import "github.com/igniter-store/igniter/backend"

// maxLookups is how many facts Assign looks up together.
const maxLookups = 64

// A lookup is what Assign looks for: a fact's ID and its key.
type lookup struct {
	id              ID
	idHash, keyHash uint64
}

// lookUp returns what to look for facts, at most maxLookups, and reads the slots where the tables may have it. In a large log most of
// them are not in the processor's cache. These reads do not depend on each other, so that it waits for many of them at a
// time: in a loop that decides by each slot what to do next, it would wait for each.
func (s *Sequencer) lookUp(facts []backend.Fact) []lookup {
	all := s.lookups[:len(facts)]
	for i := range facts {
		f, l := &facts[i], &all[i]
		l.id = IDOf(f.ID)
		l.idHash, l.keyHash = s.ids.hash(f.Store, l.id), s.keys.hash(f.Store, f.Key)
	}
	ids, keys, sum := &s.ids.tables[len(s.ids.tables)-1], &s.keys.table, uint64(0)
	for i := range all {
		sum += ids.first(all[i].idHash) + keys.first(all[i].keyHash)
	}
	s.sum = sum // so that the compiler keeps the reads
	return all
}
