package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store"
)

// An engineValues reads values for HTTP from an engine over the log. The first request opens the engine, and the first
// request for a store loads it; from then on the store's facts are kept in memory.
type engineValues struct {
	log  backend.Backend
	life context.Context // of the engine
	end  context.CancelFunc

	mu      sync.Mutex
	current *openedEngine // nil: none was asked for yet
	closed  bool
}

// An openedEngine is an engine that is open or being opened.
type openedEngine struct {
	done    chan struct{} // closed once engine and err are set
	engine  *store.Engine // nil: it can't be opened
	err     error         // why it can't
	settled uint64        // facts through this seq are shown or were pruned; guarded by engineValues.mu
}

// over reports whether the engine has failed, so that another must be opened.
func (o *openedEngine) over() bool {
	select {
	case <-o.done:
		return o.err != nil || o.engine.Err() != nil
	default:
		return false
	}
}

func newEngineValues(log backend.Backend) *engineValues {
	v := &engineValues{log: log}
	v.life, v.end = context.WithCancel(context.Background())
	return v
}

// Get implements web.Values.
func (v *engineValues) Get(ctx context.Context, name, key string, at web.Moment) (backend.Fact, bool, error) {
	o, err := v.open(ctx)
	if err == nil {
		err = o.engine.Load(ctx, name)
	}
	if err == nil {
		err = v.catchUp(ctx, o)
	}
	if err != nil {
		return backend.Fact{}, false, err
	}
	r, ok := o.engine.GetAt(name, key, store.Moment{Seq: at.Seq, Time: at.Time, Valid: at.Valid})
	if !ok {
		return backend.Fact{}, false, nil
	}
	return r.Fact(), true, nil
}

// open returns the engine. It opens one if there is none, or if the last one has failed.
func (v *engineValues) open(ctx context.Context) (*openedEngine, error) {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return nil, backend.ErrClosed
	}
	o := v.current
	if o == nil || o.over() {
		if o != nil && o.engine != nil {
			_ = o.engine.Close()
		}
		o = &openedEngine{done: make(chan struct{})}
		v.current = o
		go func() {
			defer close(o.done)
			stats, _ := backend.StatsOf(v.life, v.log) // a log without Stats is not waited for either
			o.settled = stats.LastSeq
			o.engine, o.err = store.Open(v.life, v.log, store.Options{Stores: []string{}})
		}()
	}
	v.mu.Unlock()
	select {
	case <-o.done:
		return o, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// freshness is how long a request waits for the engine to show facts acknowledged before the request.
const freshness = 5 * time.Second

// catchUp waits until the engine shows all that was acknowledged before the call.
func (v *engineValues) catchUp(ctx context.Context, o *openedEngine) error {
	stats, err := backend.StatsOf(ctx, v.log)
	if err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		return err
	}
	v.mu.Lock()
	settled := o.settled
	v.mu.Unlock()
	if stats.LastSeq <= settled {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, freshness)
	defer cancel()
	// Facts that are not shown by then were pruned before the engine saw them.
	if err := o.engine.WaitFor(within, stats.LastSeq); err != nil && ctx.Err() != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o.settled = max(o.settled, stats.LastSeq)
	return nil
}

// close closes the engine. It must be called when no request is under way any more.
func (v *engineValues) close() error {
	v.mu.Lock()
	v.closed = true
	o := v.current
	v.mu.Unlock()
	v.end()
	if o == nil {
		return nil
	}
	<-o.done
	if o.engine == nil {
		return nil
	}
	return o.engine.Close()
}
