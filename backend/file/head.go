// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/internal/merkle"
)

// A headKeeper keeps the head of a log, behind its writers: it takes the trees of sealed segments from their indexes, and hashes
// the durable facts of the active segment while few are written. Only the flusher uses it.
type headKeeper struct {
	log     *Log
	last    uint64       // the log's last seq when the keeper last looked
	sealed  merkle.Range // the tree of whole sealed segments
	tree    *format.Tree // sealed and the facts after it; nil: of no facts
	between func()       // called repeatedly while facts are read, which may be a whole segment after the log was opened
}

// The keeper hashes facts only if at most fewFacts were written since its last look, about a second ago.
const fewFacts = 1000

// look updates the head: through the last durable fact, or through the sealed segments if many facts are being written.
func (k *headKeeper) look(ctx context.Context) {
	l := k.log
	s := l.state.Load()
	idle := s.last-k.last <= fewFacts
	k.last = s.last
	if !k.addSealed(s) || !idle && k.sealed.End() <= k.through() {
		return
	}
	if k.tree == nil || k.tree.Range.End() < k.sealed.End() {
		k.tree = &format.Tree{Range: k.sealed.Clone()}
	}
	if idle && s.durable == s.last {
		k.addActive(ctx, s.last)
	}
	if l.state.Load().active != s.active { // facts may have been pruned before they were read
		k.tree = nil
		return
	}
	if through := k.tree.Range.End(); through > k.through() {
		l.head.Store(&backend.Head{Through: through, Leaves: through, Root: backend.RootHash(k.tree.Range.Root())})
	}
}

// through returns the seq through which the log has a head.
func (k *headKeeper) through() uint64 {
	if h := k.log.head.Load(); h != nil {
		return h.Through
	}
	return 0
}

// addSealed adds the trees of sealed segments, and reports whether it has all.
func (k *headKeeper) addSealed(s *state) bool {
	next := k.sealed.End() + 1
	i := slices.IndexFunc(s.sealed, func(s *segment) bool { return s.First == next })
	if i < 0 && next <= s.sealedThrough() { // a snapshot has replaced a part of the added segments
		k.sealed, i = merkle.Range{}, 0
	}
	for ; i >= 0 && i < len(s.sealed); i++ {
		part := s.sealed[i].tree.Load()
		if part == nil {
			return false
		}
		k.sealed.Join(part)
	}
	return true
}

// addActive adds the facts through a seq, which are not sealed.
func (k *headKeeper) addActive(ctx context.Context, through uint64) {
	r := backend.Range{After: backend.Cursor{Seq: k.tree.Range.End()}, Through: through}
	for p, err := range k.log.ReplayFrames(ctx, r) {
		var facts []backend.Fact
		if p.Kept = false; err == nil { // the tree keeps no memory of the facts
			facts, err = p.Parse()
		}
		if err != nil {
			return // the next look tries again; readers of the facts get the error
		}
		k.tree.Facts(facts)
		k.between()
	}
}
