package main

import (
	"context"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store"
)

// An engineValues reads values for HTTP from an engine over the log. The first request opens the engine, and the first
// request for a store loads it; from then on the store's facts are kept in memory.
type engineValues struct {
	log  backend.Log
	life context.Context // of the engine
	end  context.CancelFunc

	mu      sync.Mutex
	current *openedEngine // nil: none was asked for yet
	closed  bool
}

// An openedEngine is an engine that is open or being opened.
type openedEngine struct {
	done   chan struct{} // closed once engine and err are set
	engine *store.Engine // nil: it can't be opened
	err    error         // why it can't
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

func newEngineValues(log backend.Log) *engineValues {
	v := &engineValues{log: log}
	v.life, v.end = context.WithCancel(context.Background())
	return v
}

// Get implements web.Values.
func (v *engineValues) Get(ctx context.Context, name, key string, at web.Moment) (backend.Fact, bool, error) {
	e, err := v.open(ctx)
	if err == nil {
		err = e.Load(ctx, name)
	}
	if err == nil {
		err = e.Sync(ctx)
	}
	if err != nil {
		return backend.Fact{}, false, err
	}
	m := moment{store.Moment{Seq: at.Seq, Time: at.Time, Valid: at.Valid}, at.ValidNow}
	r, ok, err := e.GetAt(ctx, name, key, m.engine())
	if !ok || err != nil {
		return backend.Fact{}, false, err
	}
	return r.Fact(), true, nil
}

// open returns the engine. It opens one if there is none, or if the last one has failed.
func (v *engineValues) open(ctx context.Context) (*store.Engine, error) {
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
			o.engine, o.err = store.Open(v.life, v.log, store.Options{Stores: []string{}})
		}()
	}
	v.mu.Unlock()
	select {
	case <-o.done:
		return o.engine, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
