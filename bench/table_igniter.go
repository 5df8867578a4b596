// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	engine "github.com/igniter-store/igniter/store"
)

// An engineTable is the engine.
type engineTable struct {
	*factEngine
	lates func() *engine.Scope
}

func openEngineTable(string) (table, error) { return engineOver(memory.New(memory.Options{})) }

func engineOver(l backend.Log) (table, error) {
	e, err := openEngine(l)
	if err != nil {
		return nil, err
	}
	return &engineTable{e, sync.OnceValue(func() *engine.Scope {
		s, err := e.Scope("tasks", "late", engine.Filter{Where: map[engine.Field]any{"status": "late"}})
		if err != nil {
			panic(err)
		}
		return s
	})}, nil
}

func (e *engineTable) put(_ int, key string, value []byte) error {
	_, err := e.Write(context.Background(), backend.Fact{Store: "tasks", Key: key, Value: value})
	return err
}

func (e *engineTable) get(key string) error { return e.look(key) }

// look looks at a key's value.
func (e *factEngine) look(key string) error {
	r, ok := e.Get("tasks", key)
	if !ok {
		return errKey
	}
	return found(r.Value())
}

func (e *engineTable) getAt(key string, seq int) error {
	r, ok, err := e.GetAt(context.Background(), "tasks", key, engine.Moment{Seq: uint64(seq)})
	if err != nil {
		return err
	}
	if !ok {
		return errKey
	}
	return found(r.Value())
}

func (e *engineTable) late() (n int, err error) {
	for r, err := range e.lates().List(context.Background(), engine.Query{}) {
		if err == nil {
			err = found(r.Value())
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (e *engineTable) top() (n int, err error) {
	for r, err := range e.List(context.Background(), "tasks", engine.Query{OrderBy: "amount", Descending: true, Limit: 20}) {
		if err == nil {
			err = found(r.Value())
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
