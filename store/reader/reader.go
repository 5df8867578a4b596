// SPDX-License-Identifier: Apache-2.0

// Package reader answers questions about any log, see package query.
//
// A Reader reads from the log only the facts that a question needs: the facts of one key, a window, or the causes of a
// fact. To find them it keeps a catalog of the log: counts by store, the times of blocks of facts, and filters that say
// which parts of the log may have facts of a key or with an ID. The catalog is built by reading the log once, and
// updated with new facts. A question about many keys of a store needs the store in memory, as an engine (package
// store). Options.Memory limits the memory of these stores.
package reader

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// Options says how a Reader works. The zero Options is good.
type Options struct {
	Memory int64       // bytes that stores in memory may take, by estimate; 0: 256 MiB; below 0: no limit
	Logger *zap.Logger // of the engines; nil: nothing is logged

	// Once is for a Reader that answers only a question or two: it keeps no catalog, and searches the log for each
	// question. Memory must be below 0.
	Once bool

	now func() time.Time // of tests; nil: time.Now
}

// A Reader implements query.Reader over a log. Its methods may be called concurrently.
type Reader struct {
	log     backend.Log
	opts    Options
	catalog *catalog
	life    context.Context // of the engines
	end     context.CancelFunc

	lists chan struct{} // has an element for each running question that looks at all keys of a store

	mu     sync.Mutex
	stores map[string]*held // in memory, or being loaded
	asked  map[string]int   // by store: how often a key was read from the log
	closed bool
	work   sync.WaitGroup // engines that are being opened or closed, and counting

	rest     func(time.Duration) // between parts of the log that are read in the background
	counting bool                // see Counted
	counted  []query.Store
}

var _ query.Reader = (*Reader)(nil)

// New returns a Reader of a log. Close it before the log.
func New(log backend.Log, opts Options) *Reader {
	if opts.Memory == 0 {
		opts.Memory = 256 << 20
	}
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.now == nil {
		opts.now = time.Now
	}
	r := &Reader{log: log, opts: opts, catalog: newCatalog(log), lists: make(chan struct{}, maxLists), stores: map[string]*held{}, asked: map[string]int{}}
	r.life, r.end = context.WithCancel(context.Background())
	r.rest = func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-r.life.Done():
		}
	}
	return r
}

// maxLists is how many questions look at all keys of a store at a time, which takes memory for each key.
const maxLists = 2

// list waits until a question may look at all keys of a store. done must be called after it.
func (r *Reader) list(ctx context.Context) (done func(), err error) {
	select {
	case r.lists <- struct{}{}:
		return func() { <-r.lists }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close drops all stores from memory. Running questions may fail with backend.ErrClosed; later questions that need a
// store in memory do fail with it.
func (r *Reader) Close() error {
	r.mu.Lock()
	r.closed = true
	all := r.stores
	r.stores = map[string]*held{}
	r.mu.Unlock()
	r.end()
	r.work.Wait()
	for _, h := range all {
		h.close()
	}
	return nil
}

// mayRead returns an error if store is not among the stores that the caller may read.
func mayRead(readable []string, store string) error {
	if readable != nil && !slices.Contains(readable, store) {
		return fmt.Errorf("%w: store %q", backend.ErrForbidden, store)
	}
	return backend.CheckStore(store)
}

// within returns the stores that a question reads; nil: all.
func within(readable, asked []string) ([]string, error) {
	if asked == nil {
		return readable, nil
	}
	for _, store := range asked {
		if err := mayRead(readable, store); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// reach returns the log's last seq, and checks that it is not before a seq that is asked for.
func (r *Reader) reach(ctx context.Context, seq uint64) (backend.Stats, error) {
	stats, err := r.log.Stats(ctx)
	if err == nil {
		_, err = stats.Resume(backend.Cursor{Seq: seq})
	}
	return stats, err
}

// whole returns an error if a read of a store as of a moment may have missed facts that were pruned. Call it after the
// read.
func (r *Reader) whole(ctx context.Context, store string, at query.Moment) (backend.Horizon, error) {
	stats, err := r.log.Stats(ctx)
	if err != nil {
		return backend.Horizon{}, err
	}
	h := stats.Horizon(store)
	if h.Hides(at.Seq, at.Time, at.Valid) {
		return h, &backend.CompactedError{Store: store, Horizon: h}
	}
	return h, nil
}

// search returns the parts of the log for which may reports true.
func (r *Reader) search(ctx context.Context, may func(*filter) bool) (p parts, err error) {
	if r.opts.Once {
		return p, nil
	}
	p.may = may
	err = r.catalog.read(ctx, false, func(*backend.Stats) { p.filters = r.catalog.filters })
	return p, err
}

// searchFor returns the parts of the log in which facts with a topic may be.
func (r *Reader) searchFor(ctx context.Context, kind byte, store, name string) (parts, error) {
	hash := r.catalog.hash(kind, store, name)
	return r.search(ctx, func(f *filter) bool { return f.has(hash) })
}

// searchWithin returns the parts of the log in which facts of some stores (nil: all) and a key (nil: any) may be.
func (r *Reader) searchWithin(ctx context.Context, stores []string, key *string) (parts, error) {
	switch {
	case len(stores) != 1:
		return parts{}, nil
	case key == nil:
		return r.searchFor(ctx, ofStore, stores[0], "")
	}
	return r.searchFor(ctx, ofKey, stores[0], *key)
}

// forward yields the facts of some stores (nil: all) after a seq and through another, in the order of the log. It reads the
// given parts. Facts share memory with their page.
func (r *Reader) forward(ctx context.Context, in parts, after, through uint64, stores []string) iter.Seq2[*backend.Fact, error] {
	return func(yield func(*backend.Fact, error) bool) {
		for after, through := range in.between(after, through, false) {
			for page, err := range r.log.Replay(ctx, backend.Range{After: backend.Cursor{Seq: after}, Through: through, Stores: stores}) {
				if err != nil {
					yield(nil, err)
					return
				}
				for i := range page.Facts {
					if !yield(&page.Facts[i], nil) {
						return
					}
				}
			}
		}
	}
}

// Windows that are read backwards grow from the first to the last, in seqs.
const (
	firstWindow = 1 << 10
	lastWindow  = 1 << 17
)

// backward yields the facts after a seq and through another for which wants returns true, the newest first. It reads
// the given parts of the log in windows, and keeps up to most of these facts at a time, or query.MaxAnswer bytes.
// Within a window, wants sees facts in the order of the log, and some of them twice. If wants is nil, backward yields
// all facts and keeps up to wholeWindow bytes of them at a time; these facts share memory with their pages.
func (r *Reader) backward(ctx context.Context, in parts, after, through uint64, stores []string, most int, wants func(*backend.Fact) bool) iter.Seq2[*backend.Fact, error] {
	limit := query.MaxAnswer
	if wants == nil {
		most, limit = math.MaxInt, wholeWindow
	}
	return func(yield func(*backend.Fact, error) bool) {
		for after, through := range in.between(after, through, true) {
			for window := uint64(firstWindow); through > after; window = min(window*4, lastWindow) {
				low := after
				if through-after > window {
					low = through - window
				}
				var kept []backend.Fact
				size := 0
				for f, err := range r.forward(ctx, parts{}, low, through, stores) {
					if err != nil {
						yield(nil, err)
						return
					}
					switch {
					case wants == nil:
						kept = append(kept, *f)
					case wants(f):
						kept = append(kept, f.Clone())
					default:
						continue
					}
					size += sizeOf(f)
					for len(kept) > 1 && (len(kept) > most || size > limit) {
						low, size, window = kept[0].Seq, size-sizeOf(&kept[0]), firstWindow
						kept[0] = backend.Fact{} // its memory
						kept = kept[1:]
					}
				}
				for i := range kept {
					if !yield(&kept[len(kept)-1-i], nil) {
						return
					}
				}
				through = low
			}
		}
	}
}

// wholeWindow is how many bytes of facts backward keeps of a window if it yields all facts.
const wholeWindow = 16 << 20

// sizeOf returns about how many bytes a fact takes.
func sizeOf(f *backend.Fact) int {
	return len(f.Key) + len(f.Value) + len(f.Producer) + len(f.Derivation) + len(f.ID) + 256
}
