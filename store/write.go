// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// NewID returns a new UUID of version 7. It is the default of Options.NewID.
func NewID() (string, error) {
	r := randomness.Get().(*bufio.Reader)
	defer randomness.Put(r)
	id, err := uuid.NewV7FromReader(r)
	return id.String(), err
}

// randomness buffers random bytes for many IDs, since asking the system for each takes half the time.
var randomness = sync.Pool{New: func() any { return bufio.NewReaderSize(rand.Reader, 1<<10) }}

// Write writes f to the log. Once the engine shows the fact, Write returns it as the log holds it. It fills in an empty
// ID (Options.NewID), writes the value in canonical form, sets ValueHash to its hash, and replaces a SchemaVersion of 0
// by the store's current one (see [Engine.Upcast]). It ignores Seq. The log fills in other fields that are empty.
//
// If the process may write f's store but not read it, Write returns once the log has acknowledged f, and the
// engine does not show f.
//
// Errors are as in [backend.Backend.WriteFact]. Unless the error says that nothing was written, the fact may be
// in the log, now or later; writing it again with the same ID is safe.
func (e *Engine) Write(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	one := single{facts: [1]backend.Fact{f}}
	if err := e.prepare(one.facts[:]); err != nil {
		return backend.Fact{}, fmt.Errorf("store: write key %q in store %q: %w", f.Key, f.Store, err)
	}
	return e.writeSingle(ctx, &one)
}

// A single is a batch of one fact, in one piece of memory.
type single struct {
	facts   [1]backend.Fact
	batches [1]backend.Batch
}

func (e *Engine) writeSingle(ctx context.Context, one *single) (backend.Fact, error) {
	if err := e.writable(ctx, one.facts[:]); err != nil {
		return backend.Fact{}, err
	}
	one.batches[0].Facts = one.facts[:]
	w := e.writeAll(ctx, one.batches[:]...)[0]
	if w.Err != nil {
		return backend.Fact{}, w.Err
	}
	e.derived(ctx, w)
	return w.Facts[0], nil
}

// Import writes f to the log unchanged: its value byte for byte, and its hash, times and causation if they are set.
// Import is for facts of other logs; apps use [Engine.Write]. A transaction time that is ahead of the clock by more
// than Options.MaxSkew is a *backend.InvalidError. A server has its own limit.
func (e *Engine) Import(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	return e.writeSingle(ctx, &single{facts: [1]backend.Fact{f}})
}

// Append writes an event: a fact whose key is its ID. Append keeps a Key that f has; two events with one key
// would be one record. In all else it is like [Engine.Write].
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

// Retract writes f with the value null: the key no longer has a value. Its past stays readable.
func (e *Engine) Retract(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	f.Value = []byte("null")
	return e.Write(ctx, f)
}

// WriteBatch writes all facts of b or none, and only if every Expect holds. It returns them as the log holds
// them, once the engine shows them all. Each fact is written as by [Engine.Write]. Errors are as in
// [backend.Log.Write]: a *backend.ConflictError if an Expect does not hold, errors.ErrUnsupported if the backend
// writes no batches. After a conflict the engine shows what others did to the key.
func (e *Engine) WriteBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	w := e.writePrepared(ctx, b)
	if w.Err == nil {
		e.derived(ctx, w)
	}
	return w.Facts, w.Err
}

// WriteAsync is WriteBatch without waiting. Batches are written in the order of the calls, and batches that queue up
// share syncs and round trips, so that one goroutine is as fast as many that wait. Pending.Wait returns what WriteBatch
// would. An error means that the batch was not taken: it is invalid, or ctx ended while [backend.MaxAsync] bytes were
// pending. A batch that fails does not hold up later ones. ctx does not end a write that was taken; Close does.
func (e *Engine) WriteAsync(ctx context.Context, b backend.Batch) (backend.Pending, error) {
	b.Facts, b.Expect = slices.Clone(b.Facts), slices.Clone(b.Expect)
	err := e.prepare(b.Facts)
	if err == nil {
		err = e.writable(ctx, b.Facts)
	}
	var p backend.Pending
	if err == nil {
		for i := range b.Facts { // prepare has copied the values only
			f := &b.Facts[i]
			f.Producer, f.Derivation = slices.Clone(f.Producer), slices.Clone(f.Derivation)
		}
		p, err = e.async.Write(ctx, b)
	}
	if err != nil {
		return p, fmt.Errorf("store: write batch: %w", err)
	}
	return p, nil
}

// writeAsync is the write function of the engine's Async.
func (e *Engine) writeAsync(ctx context.Context, batches ...backend.Batch) []backend.Written {
	all := e.writeAll(ctx, batches...)
	for i := range all {
		if all[i].Err == nil {
			e.derived(ctx, all[i])
		}
	}
	return all
}

// writeBatch is WriteBatch without the rules.
func (e *Engine) writeBatch(ctx context.Context, b backend.Batch) error {
	return e.writePrepared(ctx, b).Err
}

func (e *Engine) writePrepared(ctx context.Context, b backend.Batch) backend.Written {
	b.Facts = slices.Clone(b.Facts)
	if err := e.prepare(b.Facts); err != nil {
		return backend.Written{Err: fmt.Errorf("store: write batch: %w", err)}
	}
	return e.write(ctx, b)
}

// write writes b to the log, and waits until the engine shows it. If it fails, the result has only the error. If the
// facts may be written despite the error, the rules run once the engine shows them.
func (e *Engine) write(ctx context.Context, b backend.Batch) backend.Written {
	if err := e.writable(ctx, b.Facts); err != nil {
		return backend.Written{Err: err}
	}
	return e.writeAll(ctx, b)[0]
}

// writeAll is write for batches that are writable.
func (e *Engine) writeAll(ctx context.Context, batches ...backend.Batch) []backend.Written {
	if e.opts.WriteTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.opts.WriteTimeout)
		defer cancel()
	}
	e.writing.Add(1)
	defer e.writing.Add(-1)
	before := e.Head()
	all := e.log.Write(ctx, batches...)
	for i := range all {
		w, b := &all[i], &batches[i]
		if w.Err == nil && w.First != 0 && w.First <= before {
			w.Err = &backend.DivergedError{Cursor: backend.Cursor{Seq: before}, Common: w.First - 1} // a log gives no seq twice
		}
		if w.Err != nil {
			if maybeWritten(w.Err) {
				e.await(b.Facts, before)
			}
			*w = backend.Written{Err: e.conflicted(ctx, b.Expect, e.check(w.Err))}
		} else if err := e.acknowledged(ctx, *w); err != nil {
			e.await(w.Facts, before)
			*w = backend.Written{Err: fmt.Errorf("the facts are written, but not shown here yet: %w", err)}
		}
	}
	return all
}

// writable returns an error if facts can't be written now.
func (e *Engine) writable(ctx context.Context, facts []backend.Fact) error {
	if e.reentered() {
		return errReentered
	}
	if err := e.refused(ctx); err != nil {
		return err
	}
	if e.opts.ReadOnly {
		return ErrReadOnly
	}
	for i := range facts {
		if !e.Loaded(facts[i].Store) {
			return fmt.Errorf("store: write to store %q: %w", facts[i].Store, ErrNotLoaded)
		}
		if t := facts[i].TransactionTime; !t.IsZero() && t.Sub(e.opts.Now()) > e.opts.MaxSkew {
			return fmt.Errorf("store: write to store %q: %w", facts[i].Store, &backend.InvalidError{Field: "transaction_time", Reason: fmt.Sprintf(
				"%s is ahead of the clock by more than %v, and no later fact could have an earlier time: correct it before importing", t.Format(time.RFC3339), e.opts.MaxSkew)})
		}
	}
	if e.ended.Load() {
		return fmt.Errorf("store: write: %w", e.Err())
	}
	return nil
}

// WriteIf writes f if the latest fact of its key has the ID latest, or, with latest "", if the key has no fact.
// Otherwise nothing is written, and the error is a *backend.ConflictError. It is otherwise like [Engine.WriteBatch].
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
