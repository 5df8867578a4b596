// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A Change is a fact for [Store.Write] to write. Records and Events of the same Store make it. A Change is a value: its
// methods return a changed copy.
type Change struct {
	store  *Store
	fact   backend.Fact
	event  bool    // its key is its ID
	named  bool    // the app chose its ID
	expect *string // the ID of the key's latest fact; nil: any
	absent bool    // the key must have no value
	check  bool    // only a condition: there is no fact
	err    error
}

// Change returns the change that makes v the value of key. Each write of the change adds a new fact, unless the change
// has an ID, see [Change.WithID].
func (r *Records[T]) Change(key string, v T) Change {
	c := r.change(v)
	c.fact.Key = key
	return c
}

// Deletion returns the change that retracts key.
func (r *Records[T]) Deletion(key string) Change {
	return Change{store: r.store, fact: backend.Fact{Store: r.name, Key: key, Value: []byte("null")}}
}

// Condition returns a change that writes nothing, for use with [Change.IfLatest], [Change.IfNew] or [Change.IfAbsent].
// The other changes of the Write then depend on key, for instance because they were computed from its value. A Write of
// conditions alone checks them.
func (r *Records[T]) Condition(key string) Change {
	c := r.Deletion(key)
	c.check = true
	return c
}

// Event returns the change that adds an event. The change has an ID, so that the event is added once even if the change
// is written again, for instance after an error.
func (e *Events[T]) Event(v T) Change {
	c := e.change(v)
	c.event = true
	id, err := e.store.newID()
	if err != nil {
		c.err = fmt.Errorf("make an ID: %w", err)
	}
	c.fact.ID, c.fact.Key = id, id
	return c
}

func (s *source[T]) change(v T) Change {
	c := Change{store: s.store, fact: backend.Fact{Store: s.name}}
	c.fact.Value, c.err = marshalAs(s.known, "value", &v)
	if c.err == nil && backend.IsNull(c.fact.Value) {
		c.err = &backend.InvalidError{Field: "value", Reason: fmt.Sprintf("%T is null as JSON, which retracts: use Delete for that", v)}
	}
	return c
}

// ValidFrom sets when the value became true in the app's domain. The zero time stands for no valid time.
func (c Change) ValidFrom(t time.Time) Change {
	c.fact.ValidTime = t
	return c
}

// WithID sets the ID of the fact: 1 to 128 bytes of UTF-8, unique in its store, such as the ID of a request. Writing
// the change, or an equal one, again is then safe: the fact is written once. The ID of an event is also its key.
func (c Change) WithID(id string) Change {
	c.fact.ID, c.named = id, true
	if c.event {
		c.fact.Key = id
	}
	return c
}

// IfLatest makes the change conditional: it is written only if the latest fact of its key has the given ID, which comes
// from a Receipt or a Record. IfLatest("") is IfNew. If the condition does not hold, nothing is written, and the error
// is a *backend.ConflictError.
func (c Change) IfLatest(id string) Change {
	c.expect, c.absent = &id, false
	return c
}

// IfAbsent makes the change conditional: it is written only if its key has no value, because the key was never written
// or was deleted. Otherwise nothing is written, and the error is a *backend.ConflictError. If several writers use
// IfAbsent with one key at once, one succeeds.
func (c Change) IfAbsent() Change {
	c.expect, c.absent = nil, true
	return c
}

// IfNew makes the change conditional: it is written only if its key has never had a fact. Otherwise nothing is written,
// and the error is a *backend.ConflictError.
func (c Change) IfNew() Change { return c.IfLatest("") }

// DerivedFrom records from what the value was derived; derivation may be any value that can be JSON.
func (c Change) DerivedFrom(derivation any) Change {
	text, err := marshal("derivation", derivation)
	if err != nil {
		c.err = err
	}
	c.fact.Derivation = text
	return c
}

// Write writes all changes or none. It returns a receipt for each change, in their order; the receipt of a
// [Records.Condition] is zero. If a condition does not hold, nothing is written, and the error is a
// *backend.ConflictError (errors.Is: backend.ErrConflict). Write returns once the Store shows the changes. If the
// backend writes no batches, several changes, or a condition, are errors.ErrUnsupported.
//
// Unless the error says that nothing was written, the changes may be in the log, now or later.
func (s *Store) Write(ctx context.Context, changes ...Change) ([]Receipt, error) {
	b, err := s.batch(ctx, changes)
	if err != nil {
		return nil, fmt.Errorf("companion: write: %w", err)
	}
	facts, err := s.writeAbsent(ctx, b, changes)
	if err != nil {
		return nil, fmt.Errorf("companion: write: %w", err)
	}
	return receipts(len(changes), conditions(changes), facts), nil
}

// A Pending is a write that [Store.WriteAsync] has taken. It is a value, and may be copied.
type Pending struct {
	changes    int
	conditions []bool
	pending    backend.Pending
}

// WriteAsync is [Store.Write] without waiting: it returns at once, and Pending.Wait returns what Write would. The
// changes of one call are written together or not at all, after the changes of earlier calls. A call that fails does
// not hold up later ones. Writes that are pending share syncs and round trips, so that one goroutine is as fast as many
// that wait.
//
// An error means that nothing was taken: a change is invalid, or ctx ended while some megabytes ([backend.MaxAsync])
// were pending. [Change.IfAbsent] is an error, too, since it reads the key before it writes. ctx does not end a write
// that was taken; [Store.Close] does. An app that never waits does not learn that a write failed: wait for the last
// one, and then look at the error of each.
func (s *Store) WriteAsync(ctx context.Context, changes ...Change) (Pending, error) {
	b, err := s.batch(ctx, changes)
	if err == nil && slices.ContainsFunc(changes, func(c Change) bool { return c.absent }) {
		err = &backend.InvalidError{Field: "change", Reason: "IfAbsent: use Write for it, or IfNew or IfLatest"}
	}
	p := Pending{changes: len(changes), conditions: conditions(changes)}
	if err == nil {
		p.pending, err = s.engine.WriteAsync(ctx, b)
	}
	if err != nil {
		return Pending{}, fmt.Errorf("companion: write: %w", err)
	}
	return p, nil
}

// Done returns a channel that is closed once the write has succeeded or failed.
func (p Pending) Done() <-chan struct{} { return p.pending.Done() }

// Wait waits until the Store shows the changes, and returns what [Store.Write] would. If ctx ends first, Wait returns
// ctx's error, and the changes are still pending.
func (p Pending) Wait(ctx context.Context) ([]Receipt, error) {
	w := p.pending.Wait(ctx)
	if w.Err != nil {
		return nil, fmt.Errorf("companion: write: %w", w.Err)
	}
	return receipts(p.changes, p.conditions, w.Facts), nil
}

// batch returns the batch that writes changes, without the expectations of IfAbsent.
func (s *Store) batch(ctx context.Context, changes []Change) (b backend.Batch, err error) {
	for i, c := range changes {
		f, err := s.complete(ctx, c)
		if err == nil && c.check && c.expect == nil && !c.absent {
			err = &backend.InvalidError{Field: "change", Reason: "a Condition without IfLatest, IfNew or IfAbsent"}
		}
		if err != nil {
			return b, fmt.Errorf("change %d: %w", i, err)
		}
		if !c.check {
			b.Facts = append(b.Facts, f)
		}
		if c.expect != nil {
			b.Expect = append(b.Expect, backend.Expect{Store: f.Store, Key: f.Key, ID: *c.expect})
		}
	}
	return b, nil
}

// conditions says which of the changes are only conditions; nil: no change is.
func conditions(changes []Change) (are []bool) {
	for i, c := range changes {
		if c.check && are == nil {
			are = make([]bool, len(changes))
		}
		if c.check {
			are[i] = true
		}
	}
	return are
}

// receipts returns a receipt for each of n changes, from the facts that were written.
func receipts(n int, conditions []bool, facts []backend.Fact) []Receipt {
	all := make([]Receipt, n)
	for i := range all {
		if conditions == nil || !conditions[i] {
			all[i], facts = receipt(facts[0]), facts[1:]
		}
	}
	return all
}

// writeAbsent writes b with the expectations of IfAbsent: the key has no fact, or its latest fact is the deletion that
// the Store shows. If another process wrote the key meanwhile, writeAbsent tries again.
func (s *Store) writeAbsent(ctx context.Context, b backend.Batch, changes []Change) ([]backend.Fact, error) {
	given := b.Expect
	for {
		b.Expect = slices.Clip(given)
		for _, c := range changes {
			if !c.absent {
				continue
			}
			x := backend.Expect{Store: c.fact.Store, Key: c.fact.Key}
			if latest := s.engine.Latest(x.Store, x.Key); latest.Retracted() {
				x.ID = latest.ID()
			} // else if there is a value, the log refuses the batch, unless it was written before
			b.Expect = append(b.Expect, x)
		}
		facts, err := s.engine.WriteBatch(ctx, b)
		var conflict *backend.ConflictError
		if !errors.As(err, &conflict) || !slices.ContainsFunc(changes, func(c Change) bool {
			return c.absent && c.fact.Store == conflict.Store && c.fact.Key == conflict.Key
		}) {
			return facts, err
		}
		latest := func() string { return s.engine.Latest(conflict.Store, conflict.Key).ID() }
		if conflict.Expected == latest() || conflict.Latest != latest() { // another process wrote it, and it may be deleted by now
			if err := s.engine.Sync(ctx); err != nil {
				return nil, err
			}
		}
		r := s.engine.Latest(conflict.Store, conflict.Key)
		if r.Seq() != 0 && !r.Retracted() || r.ID() == conflict.Expected {
			return nil, err // there is a value, or one that the Store does not show
		}
	}
}

// writeOne writes a change that has no condition.
func (s *Store) writeOne(ctx context.Context, c Change) (Receipt, error) {
	f, err := s.complete(ctx, c)
	if err == nil {
		f, err = s.engine.Write(ctx, f)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("companion: write key %q in store %q: %w", c.fact.Key, c.fact.Store, err)
	}
	return receipt(f), nil
}

// complete returns the fact to write.
func (s *Store) complete(ctx context.Context, c Change) (backend.Fact, error) {
	f := c.fact
	if c.err != nil {
		return f, c.err
	}
	if c.store != nil && c.store != s {
		return f, &backend.InvalidError{Field: "change", Reason: "made by Records or Events of another Store: make it with the Store that writes it"}
	}
	if f.Key == "" {
		return f, &backend.InvalidError{Field: "key", Reason: "empty: the log could hold it, but in an app it is a mistake"}
	}
	var err error
	f.Producer, err = s.producer(ctx)
	return f, err
}
