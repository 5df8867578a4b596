// SPDX-License-Identifier: Apache-2.0

package store

// NewChangeFold is [NewFold] with a step that gets the change that each fact made: before is the record of the same key
// that the fold took in last, which may be a retraction, or the zero Record if it took in none. before is correct even
// if the engine has dropped or pruned that record since: until its next Read, a fold keeps facts in memory that the
// engine drops.
func NewChangeFold[S any](e *Engine, initial S, step func(state S, before, after Record) S, stores ...string) *Fold[S] {
	f := NewFold(e, initial, nil, stores...)
	f.taken = new(taken)
	f.step = func(state S, after Record) S { return step(state, f.taken.before(after), after) }
	return f
}

// A taken has the facts that a fold has taken in: of each store, as of the end of its last Read.
type taken struct {
	stores map[string]view
	seq    uint64 // the heads of stores
}

// before returns the last record of r's key before r that the fold took in.
func (t *taken) before(r Record) Record {
	if prev := r.prev(); prev.Seq() > t.seq {
		return prev
	}
	return t.stores[r.Store()].latest(r.Key())
}

// views returns the stores as of the engine's head, and the head.
func (e *Engine) views(stores []string) (map[string]view, uint64) {
	for {
		head, since := e.Head(), uint64(0)
		views := make(map[string]view, len(stores))
		for _, store := range stores {
			if s := e.namespace(store); s != nil {
				views[store], since = view{s, head}, max(since, s.since)
			}
		}
		if since <= head {
			return views, head
		}
		// Facts were dropped after the head was loaded. The head has moved by then.
	}
}
