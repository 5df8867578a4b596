// SPDX-License-Identifier: Apache-2.0

package store

import "github.com/igniter-store/igniter/backend"

// minSurplus is how many facts beyond KeepVersions a namespace has at least before it is trimmed. Tests change it.
var minSurplus = 1024

// full counts a fact that was added to s, and reports whether s is worth trimming.
func (e *Engine) full(s *namespace, f *backend.Fact) bool {
	keep := uint32(e.opts.KeepVersions)
	if keep == 0 {
		return false
	}
	if r, _, _, _ := s.find(f.Key); r.depth() <= keep {
		return false
	}
	s.surplus++
	return s.surplus >= max(minSurplus, int(s.count.Load())/2)
}

// trim drops the facts beyond KeepVersions. The caller holds mu.
func (e *Engine) trim(s *namespace) {
	keep, drops := uint32(e.opts.KeepVersions), s.dropped
	kept := s.without(func(r Record) bool {
		latest, _ := s.last(r.number())
		newer := latest.depth() - r.depth()
		if newer >= keep-1 && r.depth() > 1 || newer >= keep {
			if t := r.TransactionTime(); t.After(drops.time) {
				drops.time = t
			}
		}
		if newer == keep-1 && r.depth() > 1 {
			drops.seq = max(drops.seq, r.Seq())
		}
		return newer >= keep
	}, true, e.Head())
	kept.dropped = drops
	e.replace(kept)
}
