// SPDX-License-Identifier: Apache-2.0

package sequencer

import "github.com/igniter-store/igniter/backend"

// maxLookups is the number of facts that Assign looks up together.
const maxLookups = 64

// A lookup has the ID and the hashes with which Assign looks up a fact and its key.
type lookup struct {
	id              ID
	idHash, keyHash uint64
}

// lookUp returns the lookups of at most maxLookups facts, and reads the first slot of each in the tables. In a large log
// most slots are not in the processor's cache. The reads are independent, so that the processor waits for many of them at a
// time. A loop that decides after each slot would wait for each.
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
	s.sum = sum // otherwise the compiler could remove the reads
	return all
}
