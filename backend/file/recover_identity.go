// SPDX-License-Identifier: Apache-2.0

package file

import (
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// An identity has the identity of the log that the files of a directory name. If seqs that were given out may be given to
// other facts, it also has the identity that begins with this Open.
type identity struct {
	old  format.Identity // named by the files; zero: they are of version 1
	next backend.LogID   // the new identity, if one is needed
}

// identify finds the log to which the files belong. It ignores damaged headers.
func (r *recovery) identify(found listing) {
	look := func(f format.File, kind string) {
		h, err := r.header(&f, kind)
		if err == nil && h.Log != (backend.LogID{}) && !descends(r.identity.old, h.Log) {
			r.identity.old = h.Identity
		}
	}
	for _, through := range found.snapshots {
		look(newSnapshot(through), format.KindSnapshot)
	}
	for _, first := range found.segments {
		look(newSegment(first, first), format.KindSegment)
	}
	r.identity.next = backend.NewLogID()
	if r.id = r.identity.old; r.id.Log == (backend.LogID{}) {
		r.id.Log = r.identity.next
		if r.opts != nil && r.opts.mirror != nil {
			source := r.opts.mirror
			r.id = format.Identity{Log: source.Log, Ancestors: source.Ancestors}
		}
	}
}

// descends reports whether from is an ancestor of the log id.
func descends(id format.Identity, from backend.LogID) bool {
	return slices.ContainsFunc(id.Ancestors, func(a backend.Ancestor) bool { return a.Log == from })
}

// successor returns the identity of a log that has the facts of the old log only through a seq.
func (r *recovery) successor(through uint64) format.Identity {
	return format.Identity{Log: r.identity.next, Ancestors: backend.Inherit(r.identity.old.Log, r.identity.old.Ancestors, through)}
}

// diverge begins a new identity, since facts after the seq through may be lost.
func (r *recovery) diverge(through uint64) {
	if r.id.Log == r.identity.next && len(r.id.Ancestors) > 0 {
		through = min(through, r.id.Ancestors[0].Through) // it has begun already
	}
	r.id = r.successor(through)
}
