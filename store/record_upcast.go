// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// ErrNewer is reported for a value whose schema version is above the one that this program knows.
var ErrNewer = errors.New("store: the value is of a newer version than this program knows: update the program")

// An Upcaster converts a value from one schema version to the next. It must return the same result for the same value.
// Writers wait for it; it may read and must not write, as [Filter].Match. The value is a copy: the Upcaster may change
// and return it. The result is copied. An Upcaster may be called concurrently. A panic becomes the error of that value.
type Upcaster func(value json.RawMessage) (json.RawMessage, error)

// call upcasts a copy of the value. It returns a panic as an error, since writers call it while they hold the engine's lock.
func (u Upcaster) call(value json.RawMessage) (up json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return u(bytes.Clone(value))
}

// upcasts are the upcasters of a store; steps does not change.
type upcasts struct {
	steps []Upcaster // the n-th is from version n+1

	mu    sync.Mutex
	cache map[uint64]json.RawMessage // upcast values by seq
	bytes int                        // of the values in cache
}

// The cache is emptied when it has this many values or bytes.
const (
	maxUpcasts     = 1 << 15
	maxUpcastBytes = 16 << 20
)

// Upcast sets the upcasters of a store: the first of steps converts version 1 to 2, the next 2 to 3, and so on. The
// version that the last one returns is the current version of the store. [Record.Upcast], scopes, indexes and relations
// read values through them; stored facts stay as they are. Call it before the store is read. Setting other steps again
// is a *backend.InvalidError, unless Upcast was called without steps in between.
func (e *Engine) Upcast(store string, steps ...Upcaster) error {
	for i, step := range steps {
		if step == nil {
			return &backend.InvalidError{Field: fmt.Sprintf("steps[%d]", i), Reason: "nil"}
		}
	}
	if e.reentered() {
		return errReentered
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.space(store)
	if old := s.upcasts.Load(); old != nil && len(old.steps) > 0 && len(steps) > 0 {
		return &backend.InvalidError{Field: "store", Reason: fmt.Sprintf("%q has upcasters already", store)}
	}
	s.upcasts.Store(&upcasts{steps: steps})
	s.projections.Store(nil) // they read values through other upcasters
	return nil
}

// version returns the current schema version; 0 if no upcasters are set, or s is nil.
func (s *namespace) version() int {
	if s == nil {
		return 0
	}
	u := s.upcasts.Load()
	if u == nil {
		return 0
	}
	return len(u.steps) + 1
}

// Upcast returns the value in the current schema version of its store, see [Engine.Upcast]. A value of a
// newer version is ErrNewer. If no upcasters are set for the store, it returns Value, whatever its version.
// Do not change what it returns.
func (r Record) Upcast() (json.RawMessage, error) {
	if r.data == nil {
		return nil, nil
	}
	u := r.space.upcasts.Load()
	version := r.SchemaVersion()
	if u == nil || version == len(u.steps)+1 || r.Retracted() {
		return r.Value(), nil
	}
	if version > len(u.steps)+1 {
		return nil, fmt.Errorf("%w: fact %s, key %q in store %q has version %d, known is %d", ErrNewer, r.ID(), r.Key(), r.Store(), version, len(u.steps)+1)
	}
	if value, ok := u.cached(r.Seq()); ok {
		return value, nil
	}
	value := r.Value()
	for ; version <= len(u.steps); version++ {
		var err error
		if value, err = u.steps[version-1].call(value); err == nil {
			err = jsonvalue.Check(value, math.MaxInt32)
		}
		if err != nil {
			return nil, fmt.Errorf("store: upcast fact %s, key %q in store %q, from version %d: %w", r.ID(), r.Key(), r.Store(), version, err)
		}
	}
	value = bytes.Clone(value) // the upcaster may have kept it
	u.keep(r.Seq(), value)
	return value, nil
}

func (u *upcasts) cached(seq uint64) (json.RawMessage, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	value, ok := u.cache[seq]
	return value, ok
}

func (u *upcasts) keep(seq uint64, value json.RawMessage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cache == nil || len(u.cache) >= maxUpcasts || u.bytes >= maxUpcastBytes {
		u.cache, u.bytes = make(map[uint64]json.RawMessage), 0
	}
	if _, ok := u.cache[seq]; !ok {
		u.bytes += len(value)
	}
	u.cache[seq] = value
}
