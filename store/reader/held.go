// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// A held store is in memory, or being loaded.
type held struct {
	name   string
	memory int64     // bytes that it takes, by estimate
	facts  uint64    // how many the log had of it when it was loaded
	used   time.Time // last; guarded by Reader.mu
	read   atomic.Uint64
	done   chan struct{} // closed once engine and err are set
	engine *store.Engine
	err    error
}

// close waits for the engine, and closes it.
func (h *held) close() {
	<-h.done
	if h.engine != nil {
		_ = h.engine.Close()
	}
}

// drop removes a store from memory. Others may be waiting for it. The caller holds mu, and the reader is not closed.
func (r *Reader) drop(h *held) {
	delete(r.stores, h.name)
	r.work.Go(h.close)
}

// open reports whether the engine can be used.
func (h *held) open() bool {
	select {
	case <-h.done:
		return h.err == nil && h.engine.Err() == nil
	default:
		return false
	}
}

// small is how many bytes a store may take at most to be loaded without Load; a store may not take more than an eighth
// of Options.Memory either.
const small = 8 << 20

// askedOften is after how many reads of single keys of a store the store is loaded.
const askedOften = 3

// engine returns the engine of a store that is in memory, synced with the log; nil if the store is not in memory. If
// the store is dropped while the caller uses the engine, the engine stays as it is: reads through its head are still
// correct.
func (r *Reader) engine(ctx context.Context, name string) (*store.Engine, error) {
	r.mu.Lock()
	h := r.stores[name]
	if h != nil && h.open() {
		h.used = r.opts.now()
	} else {
		h = nil
	}
	r.mu.Unlock()
	if h == nil {
		return nil, nil
	}
	if err := h.engine.Sync(ctx); r.dropped(h, err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return h.engine, nil
}

// dropped reports whether err came only from dropping the store.
func (r *Reader) dropped(h *held, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Is(err, backend.ErrClosed) && !r.closed && r.stores[h.name] != h
}

// loaded returns the engine of a store. If the store is not in memory, loaded loads it if load is set or the store is
// small. It returns nil if the log has no fact of the store: unknown names from clients must take no memory.
func (r *Reader) loaded(ctx context.Context, name string, load bool) (*store.Engine, error) {
	for range 4 {
		if e, err := r.engine(ctx, name); e != nil || err != nil {
			return e, err
		}
		size, err := r.count(ctx, name)
		if err != nil {
			return nil, err
		}
		if size.facts == 0 && !r.opts.Once {
			return nil, nil
		}
		memory := size.memory()
		if limit := r.opts.Memory; limit >= 0 && memory > limit {
			return nil, fmt.Errorf("%w: store %q takes about %d MiB, and stores may take %d MiB: raise --http-memory, or read one key", backend.ErrTooLarge, name, memory>>20, limit>>20)
		}
		if memory > min(small, r.opts.Memory/8) && !load && r.opts.Memory >= 0 && !r.loading(name) {
			return nil, &query.NotLoadedError{Store: name, Facts: size.facts, Bytes: uint64(memory)}
		}
		h, err := r.load(name, size.facts, memory)
		if err != nil {
			return nil, err
		}
		select {
		case <-h.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err = h.err; err == nil {
			err = h.engine.Sync(ctx)
		}
		if !r.dropped(h, err) {
			return h.engine, err
		}
	}
	return nil, fmt.Errorf("%w: store %q was dropped from memory at once, to make room for other stores: raise --http-memory, or ask later", backend.ErrUnavailable, name)
}

// count returns the counts of a store.
func (r *Reader) count(ctx context.Context, name string) (size *counts, err error) {
	if size = (&counts{}); r.opts.Once {
		return size, nil
	}
	err = r.catalog.read(ctx, true, func(*backend.Stats) {
		if s := r.catalog.stores[name]; s != nil {
			*size = *s
			size.days, size.known = nil, nil
		} else if r.catalog.others > 0 {
			size.facts = r.catalog.others
		}
	})
	return size, err
}

// endOfTime is the clock of engines. It is never behind the log's clock, so that an engine reads as of a time by the
// log's times alone, just as a read of the log does.
func endOfTime() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

func (r *Reader) loading(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stores[name] != nil
}

// load begins to load a store, unless that has begun. To make room it drops the least recently used stores.
func (r *Reader) load(name string, facts uint64, memory int64) (*held, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, backend.ErrClosed
	}
	if h := r.stores[name]; h != nil {
		select {
		case <-h.done:
			if h.open() {
				return h, nil
			}
			r.drop(h)
		default:
			return h, nil
		}
	}
	r.makeRoom(memory)
	h := &held{name: name, memory: memory, facts: facts, used: r.opts.now(), done: make(chan struct{})}
	r.stores[name] = h
	r.work.Go(func() {
		defer close(h.done)
		h.engine, h.err = store.Open(r.life, r.log, store.Options{Stores: []string{name}, ReadOnly: true, Logger: r.opts.Logger, Now: endOfTime,
			Progress: func(p store.OpenProgress) { h.read.Store(p.Facts) }})
	})
	return h, nil
}

// makeRoom drops stores so that memory more bytes fit. The caller holds mu.
func (r *Reader) makeRoom(memory int64) {
	if r.opts.Memory < 0 {
		return
	}
	for {
		sum, oldest := memory, (*held)(nil)
		for _, h := range r.stores {
			if sum += h.memory; oldest == nil || h.used.Before(oldest.used) {
				oldest = h
			}
		}
		if sum <= r.opts.Memory || oldest == nil {
			return
		}
		r.drop(oldest)
	}
}

// grown updates the sizes of stores in memory, and drops stores if they take too much. The caller holds the catalog's
// lock.
func (r *Reader) grown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, h := range r.stores {
		if s := r.catalog.stores[name]; s != nil {
			h.memory, h.facts = s.memory(), s.facts
		}
	}
	r.makeRoom(0)
}

// often notes that a key of a store was read from the log. It begins to load a store that is read often, if there is
// room.
func (r *Reader) often(ctx context.Context, name string) {
	r.mu.Lock()
	if len(r.asked) > maxStores {
		clear(r.asked)
	}
	r.asked[name]++
	n, taken := r.asked[name], int64(0)
	for _, h := range r.stores {
		taken += h.memory
	}
	known := r.stores[name] != nil
	r.mu.Unlock()
	if n < askedOften || known {
		return
	}
	size, err := r.count(ctx, name)
	if err == nil && size.facts > 0 && (r.opts.Memory < 0 || taken+size.memory() <= r.opts.Memory) {
		_, _ = r.load(name, size.facts, size.memory()) // the next read finds it
	}
}

// Loaded implements query.Reader.
func (r *Reader) Loaded() []query.LoadedStore {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []query.LoadedStore{}
	for name, h := range r.stores {
		if h.open() {
			all = append(all, query.LoadedStore{Store: name, Facts: h.facts, Memory: uint64(h.memory)})
		}
	}
	return all
}
