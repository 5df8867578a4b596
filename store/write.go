package store

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// NewID makes a UUID of version 7, which is what Options.NewID does where nothing else is said.
func NewID() (string, error) {
	r := randomness.Get().(*bufio.Reader)
	defer randomness.Put(r)
	id, err := uuid.NewV7FromReader(r)
	return id.String(), err
}

// randomness has what the system gives, in pieces for many IDs: asking for each is half its cost.
var randomness = sync.Pool{New: func() any { return bufio.NewReaderSize(rand.Reader, 1<<10) }}

// Write writes f to the log and returns it as the log holds it, once the engine shows it. An empty
// ID is filled in (Options.NewID). The value is written in its canonical form, and ValueHash is
// the hash of that, whatever f has there. A SchemaVersion of 0 is the store's current one (see
// [Engine.Upcast]). Seq is ignored, and what else f leaves empty is the
// log's to give.
//
// Errors are those of [backend.Backend.WriteFact]. Where the error does not say that nothing was
// written, the fact may be there, or still show up; writing it again with the same ID is safe.
func (e *Engine) Write(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	facts := [1]backend.Fact{f}
	if err := e.prepare(facts[:]); err != nil {
		return backend.Fact{}, fmt.Errorf("store: write key %q in store %q: %w", f.Key, f.Store, err)
	}
	return e.Import(ctx, facts[0])
}

// Import writes f to the log as it is: its value byte for byte, and its hash, times and causation
// where it has them. It is for facts that come from elsewhere; apps use [Engine.Write].
func (e *Engine) Import(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	facts, err := e.write(ctx, backend.Batch{Facts: []backend.Fact{f}})
	if err != nil {
		return backend.Fact{}, err
	}
	e.derived(ctx, facts)
	return facts[0], nil
}

// Append writes an event: a fact under a key of its own, which is the fact's ID. A Key that f has is
// kept, and should be no other event's, since the two would be one record. Otherwise all is as with
// [Engine.Write].
func (e *Engine) Append(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	if f.ID == "" {
		var err error
		if f.ID, err = e.opts.NewID(); err != nil {
			return backend.Fact{}, fmt.Errorf("store: append to store %q: make an ID: %w", f.Store, err)
		}
	}
	if f.Key == "" {
		f.Key = f.ID
	}
	return e.Write(ctx, f)
}

// Retract writes a fact that says that the key has no value any more: f with the value null. The
// key's past stays readable.
func (e *Engine) Retract(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	f.Value = []byte("null")
	return e.Write(ctx, f)
}

// WriteBatch writes the facts of b together or not at all, and only if every Expect holds, and
// returns them as the log holds them, once the engine shows them all. What [Engine.Write] says
// holds for each fact; errors are those of [backend.Log.Write], a *backend.ConflictError where
// an Expect does not hold, and errors.ErrUnsupported where the backend writes no batches. After a
// conflict the engine shows what the log holds of that key, whether others wrote or pruned it.
func (e *Engine) WriteBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	facts, err := e.writeBatch(ctx, b)
	if err == nil {
		e.derived(ctx, facts)
	}
	return facts, err
}

// writeBatch is WriteBatch without the rules.
func (e *Engine) writeBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	b.Facts = slices.Clone(b.Facts)
	if err := e.prepare(b.Facts); err != nil {
		return nil, fmt.Errorf("store: write batch: %w", err)
	}
	return e.write(ctx, b)
}

// write writes b to the log, and waits until the engine shows it.
func (e *Engine) write(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	if e.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	for i := range b.Facts {
		if !e.Loaded(b.Facts[i].Store) {
			return nil, fmt.Errorf("store: write to store %q: %w", b.Facts[i].Store, ErrNotLoaded)
		}
	}
	if e.ended.Load() {
		return nil, fmt.Errorf("store: write: %w", e.Err())
	}
	w := e.log.Write(ctx, b)[0]
	if w.Err != nil {
		return nil, e.conflicted(ctx, b.Expect, w.Err)
	}
	if err := e.acknowledged(ctx, w); err != nil {
		e.underived(w.Facts, err)
		return nil, fmt.Errorf("the facts are written, but not shown here yet: %w", err)
	}
	return w.Facts, nil
}

// WriteIf writes f if the latest fact of its key has the ID latest, or, with latest "", if the key
// has no fact. Otherwise it is as [Engine.WriteBatch].
func (e *Engine) WriteIf(ctx context.Context, latest string, f backend.Fact) (backend.Fact, error) {
	facts, err := e.WriteBatch(ctx, backend.Batch{
		Facts:  []backend.Fact{f},
		Expect: []backend.Expect{{Store: f.Store, Key: f.Key, ID: latest}},
	})
	if err != nil {
		return backend.Fact{}, err
	}
	return facts[0], nil
}

// prepare fills in IDs and makes values canonical.
func (e *Engine) prepare(facts []backend.Fact) error {
	for i := range facts {
		f := &facts[i]
		if f.ID == "" {
			var err error
			if f.ID, err = e.opts.NewID(); err != nil {
				return fmt.Errorf("make an ID: %w", err)
			}
		}
		form, err := wire.AppendCanonical(make([]byte, 0, len(f.Value)), f.Value)
		if err != nil {
			return err
		}
		f.Value, f.ValueHash = form, wire.HashCanonical(form)
		if f.SchemaVersion == 0 {
			f.SchemaVersion = e.namespace(f.Store).version()
		}
	}
	return nil
}
