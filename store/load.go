package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// ErrNotLoaded is reported for a store whose facts are not in memory: the engine was opened with
// Options.Stores, and [Engine.Load] was not asked for it.
var ErrNotLoaded = errors.New("store: the store is not in memory: name it in Options.Stores, or load it")

// open reads the log for the first time.
func (e *Engine) open(ctx context.Context) error {
	for _, store := range e.opts.Stores {
		if err := checkStore(store); err != nil {
			return err
		}
	}
	stats, err := backend.StatsOf(ctx, e.log)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	p := Progress{Total: stats.Facts}
	applied := func(facts int) {
		if p.Facts += uint64(facts); e.opts.Progress != nil {
			e.opts.Progress(p)
		}
	}
	facts := e.log.Replay(ctx, 0)
	if kept := e.stores.Load(); kept != nil && err == nil { // without Stats, only the whole log says where it ends
		p.Total = 0 // how many of them are of these stores is not known
		// Later facts are left to those who read receipts too.
		facts = e.until(stats.LastSeq, backend.ReplayStores(ctx, e.log, 0, *kept...))
	}
	if err := e.take(ctx, facts, applied); err != nil {
		return err
	}
	e.skip(stats.LastSeq)
	return nil
}

// catchUp applies what the log holds beyond head.
func (e *Engine) catchUp(ctx context.Context) error {
	return e.take(ctx, e.log.Replay(ctx, e.Head()), func(int) {})
}

// batchSize is how many facts go from the one who reads the log to the one who applies them at once.
const batchSize = 512

// take applies facts, which are the next ones of the log, and says of how many that is done: one
// goroutine reads them, while this one applies.
func (e *Engine) take(ctx context.Context, facts iter.Seq2[backend.Fact, error], applied func(facts int)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []backend.Fact, 2)
	var failed error
	go func() {
		defer close(batches)
		batch := make([]backend.Fact, 0, batchSize)
		for f, err := range facts {
			if failed = err; err != nil {
				break
			}
			if batch = append(batch, f); len(batch) < batchSize {
				continue
			}
			select {
			case batches <- batch:
			case <-ctx.Done():
				failed = ctx.Err() // and no more of the log: there would be a gap
				return
			}
			batch = make([]backend.Fact, 0, batchSize)
		}
		batches <- batch
	}()
	for batch := range batches {
		e.observe(batch...)
		applied(len(batch))
	}
	if failed != nil {
		return failed
	}
	return e.Err()
}

// An arrival is the stores that are being loaded.
type arrival struct {
	stores []string
	facts  []backend.Fact // of theirs, and receipts, that came meanwhile
}

// Load reads the facts of stores that are not in memory, and keeps them from then on as if they had
// been among Options.Stores. Those that are there already cost nothing. Until it returns nil they
// read as if they were empty; after an error none of them is loaded. A [Fold] that was read before
// does not see their past.
func (e *Engine) Load(ctx context.Context, stores ...string) error {
	if err := e.loadStores(ctx, stores); err != nil {
		return fmt.Errorf("store: load stores %q: %w", stores, err)
	}
	return nil
}

func (e *Engine) loadStores(ctx context.Context, stores []string) error {
	for _, store := range stores {
		if err := checkStore(store); err != nil {
			return err
		}
	}
	if stores = slices.DeleteFunc(slices.Clone(stores), e.Loaded); len(stores) == 0 {
		return nil
	}
	select {
	case e.loading <- struct{}{}:
		defer func() { <-e.loading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	a := &arrival{stores: slices.DeleteFunc(stores, e.Loaded)} // others have loaded some meanwhile
	if len(a.stores) == 0 {
		return nil
	}

	// Facts through the head that there is now are read from the log, and those that come after it
	// are set aside until that is done.
	e.mu.Lock()
	through, err := e.Head(), e.failed
	e.arriving = a
	e.mu.Unlock()
	opts := e.opts
	opts.Stores, opts.Progress = a.stores, nil
	loaded := newEngine(e.log, opts)
	if err == nil {
		err = loaded.take(ctx, e.until(through, backend.ReplayStores(ctx, e.log, 0, a.stores...)), func(int) {})
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	e.arriving = nil
	if err == nil {
		err = e.failed
	}
	if err != nil {
		return err
	}
	loaded.observe(a.facts...)
	for _, store := range a.stores {
		s := loaded.namespace(store)
		if s == nil {
			continue
		}
		if old := e.namespace(store); old != nil { // what was said about it
			s.upcasts.Store(old.upcasts.Load())
		}
		e.replace(s)
	}
	e.keep(a.stores)
	return nil
}

// until yields facts up to a seq, or until the engine is closed.
func (e *Engine) until(through uint64, facts iter.Seq2[backend.Fact, error]) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range facts {
			if f.Seq > through || e.ended.Load() || !yield(f, err) {
				return
			}
		}
	}
}

// add sets a fact aside, if it is for those who load.
func (a *arrival) add(f *backend.Fact) {
	if a != nil && (f.Store == CompactionStore || slices.Contains(a.stores, f.Store)) {
		a.facts = append(a.facts, own(*f))
	}
}

// Loaded reports whether the facts of a store are kept in memory, see Options.Stores.
func (e *Engine) Loaded(store string) bool {
	kept := e.stores.Load()
	if kept == nil {
		return true
	}
	_, ok := slices.BinarySearch(*kept, store)
	return ok
}

// keep adds to the stores that are kept in memory. The caller holds mu, but for a new engine.
func (e *Engine) keep(stores []string) {
	var kept []string
	if old := e.stores.Load(); old != nil {
		kept = *old
	}
	kept = slices.Concat(kept, stores)
	slices.Sort(kept)
	kept = slices.Compact(kept)
	e.stores.Store(&kept)
}

// checkStore reports what is wrong with the name of a store.
func checkStore(name string) error {
	probe := backend.Fact{ID: "probe", Store: name, Value: []byte("0")}
	return probe.Validate()
}
