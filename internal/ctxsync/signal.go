// SPDX-License-Identifier: Apache-2.0

package ctxsync

import "sync"

// A Signal tells any number of goroutines that something has changed. Its zero value is good. To miss no
// change, call Changed first, then look at the state, then wait:
//
//	for {
//		changed := signal.Changed()
//		if ready() {
//			return
//		}
//		select {
//		case <-changed:
//		case <-ctx.Done():
//		}
//	}
type Signal struct {
	mu      sync.Mutex
	changed chan struct{} // nil: no goroutine waits
}

// Changed returns a channel that the next call of Notify closes.
func (s *Signal) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Notify closes the channel that Changed returned, which wakes all waiting goroutines. It allocates
// nothing, and costs little if none waits.
func (s *Signal) Notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
