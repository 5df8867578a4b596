// SPDX-License-Identifier: Apache-2.0

// Package ctxsync has a lock and a signal. Waiting for them ends when a context ends, which package sync does not offer.
package ctxsync

import "context"

// A Mutex is a lock. Make one with NewMutex.
type Mutex struct{ held chan struct{} }

// NewMutex returns an unlocked Mutex.
func NewMutex() Mutex { return Mutex{make(chan struct{}, 1)} }

// Lock waits until the lock is free and takes it. If ctx ends first, it returns ctx's error and does not
// take it; a lock that is free is taken whatever ctx is.
func (m Mutex) Lock(ctx context.Context) error {
	if m.TryLock() {
		return nil
	}
	select {
	case m.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TryLock takes the lock if it is free, and reports whether it did.
func (m Mutex) TryLock() bool {
	select {
	case m.held <- struct{}{}:
		return true
	default:
		return false
	}
}

// Unlock frees the lock, which the caller holds.
func (m Mutex) Unlock() { <-m.held }
