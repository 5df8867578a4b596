// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"sync"

	"github.com/igniter-store/igniter/internal/ctxsync"
)

// MaxAsync limits the bytes of facts, approximately, that an [Async] holds before they are written.
const MaxAsync = 16 << 20

// An Async writes batches without making its caller wait for each. Batches that it takes during a call of Log.Write are
// written together by the next call. So one goroutine shares syncs and round trips as many waiting goroutines would.
//
//	a := backend.NewAsync(ctx, log.Write)
//	for f := range facts {
//		pending, err := a.Write(ctx, backend.Batch{Facts: []backend.Fact{f}})
//		…
//	}
//	a.Close() // then pending.Wait returns the verdict on each
//
// Batches are written in the order in which Write took them. If a batch is refused or can't be written, later batches are
// written all the same: give a batch that depends on an earlier one an [Expect]. Methods may be called concurrently.
type Async struct {
	ctx   context.Context
	write func(ctx context.Context, batches ...Batch) []Written
	room  ctxsync.Signal // size went down

	mu     sync.Mutex // guards next, size and busy
	next   *asyncCall // waits for the current call to end; nil: none
	size   int        // of all batches that are not written yet
	busy   bool       // a goroutine writes
	closed bool
	idle   sync.WaitGroup // the goroutine that writes
}

// An asyncCall is the batches of one call of Log.Write.
type asyncCall struct {
	batches []Batch
	size    int
	done    chan struct{} // closed once written is set
	written []Written
}

// A Pending is a batch that an [Async] has taken. It may be copied. While a copy is in use, all facts of the same call stay
// in memory, up to [MaxAsync] bytes.
type Pending struct {
	call *asyncCall
	n    int
}

// NewAsync returns an Async that writes with a Log's Write. Once ctx has ended, nothing more is written: pending batches
// fail with ctx's error.
func NewAsync(ctx context.Context, write func(ctx context.Context, batches ...Batch) []Written) *Async {
	return &Async{ctx: ctx, write: write}
}

// Write takes a batch. It waits while [MaxAsync] bytes are pending. If ctx has ended or ends meanwhile, and after Close
// (ErrClosed), the batch is not taken. The batch belongs to the Async until it is done: its facts, values and expectations must
// not be changed. To wait until all earlier batches are written, write an empty batch and wait for it.
func (a *Async) Write(ctx context.Context, b Batch) (Pending, error) {
	if err := ctx.Err(); err != nil {
		return Pending{}, err
	}
	size := asyncSize(&b)
	for {
		changed := a.room.Changed()
		a.mu.Lock()
		if a.closed {
			a.mu.Unlock()
			return Pending{}, fmt.Errorf("backend: write to an Async: %w", ErrClosed)
		}
		if a.size == 0 || a.size+size <= MaxAsync {
			break
		}
		a.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Pending{}, fmt.Errorf("backend: wait until less is pending: %w", ctx.Err())
		}
	}
	defer a.mu.Unlock()
	if a.next == nil {
		a.next = &asyncCall{done: make(chan struct{})}
	}
	call := a.next
	call.batches = append(call.batches, b)
	call.size += size
	if a.size += size; !a.busy {
		a.busy = true
		a.idle.Go(a.run)
	}
	return Pending{call, len(call.batches) - 1}, nil
}

// run writes until nothing is pending.
func (a *Async) run() {
	for {
		a.mu.Lock()
		call := a.next
		a.next = nil
		if call == nil {
			a.busy = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		call.written = a.write(a.ctx, call.batches...)
		call.batches = nil // pendings may be kept
		close(call.done)
		a.mu.Lock()
		a.size -= call.size
		a.mu.Unlock()
		a.room.Notify()
	}
}

// asyncSize returns about how many bytes a batch takes.
func asyncSize(b *Batch) int {
	const fixed = 256 // of a Fact or Expect itself
	size := fixed
	for i := range b.Facts {
		f := &b.Facts[i]
		size += fixed + len(f.Value) + len(f.Key) + len(f.Producer) + len(f.Derivation)
	}
	return size + fixed*len(b.Expect)
}

// Close waits until all batches are written, or the context given to NewAsync has ended. It does not close the log.
func (a *Async) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.room.Notify()
	a.idle.Wait()
}

// Done returns a channel that is closed once the batch is written, or can't be.
func (p Pending) Done() <-chan struct{} { return p.call.done }

// Wait waits for the verdict on the batch, see [Log.Write]. If ctx ends first, Written.Err is ctx's error, and the batch is still
// pending.
func (p Pending) Wait(ctx context.Context) Written {
	select {
	case <-p.call.done:
		return p.call.written[p.n]
	default:
	}
	select {
	case <-p.call.done:
		return p.call.written[p.n]
	case <-ctx.Done():
		return Written{Err: fmt.Errorf("backend: wait for a batch to be written: %w", ctx.Err())}
	}
}
