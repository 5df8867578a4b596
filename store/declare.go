// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/igniter-store/igniter/backend"
)

// An app may declare a scope, index or relation again under the same name if nothing differs. A different one under a
// name that is taken is a *backend.InvalidError. Two functions are never the same.

// declarations are the scopes and indexes of an engine.
type declarations struct {
	mu  sync.Mutex
	all map[declaredAs]declaration
}

// declaredAs is the key of a declaration.
type declaredAs struct {
	kind, store string
	name        any // a string or an indexName
}

// A declaration is a Scope or an Index.
type declaration interface {
	counted() *holders
	same(declaration) bool
}

// holders counts how often something was declared and not closed.
type holders struct {
	count  int // guarded by declarations.mu
	closed atomic.Bool
}

func (h *holders) counted() *holders { return h }

// declare returns the declaration under a name: d, or the equal one that was declared before.
func declare[D declaration](e *Engine, kind, store string, name any, d D) (D, error) {
	e.declared.mu.Lock()
	defer e.declared.mu.Unlock()
	key := declaredAs{kind, store, name}
	if old, ok := e.declared.all[key]; ok {
		if !old.same(d) {
			return d, &backend.InvalidError{Field: "name", Reason: fmt.Sprintf("there is another %s %q of store %q: keep that one, close it, or take another name", kind, name, store)}
		}
		old.counted().count++
		return old.(D), nil
	}
	if e.declared.all == nil {
		e.declared.all = make(map[declaredAs]declaration)
	}
	e.declared.all[key] = d
	d.counted().count = 1
	return d, nil
}

// withdraw undoes one declare of d. The last withdraw drops the projection of d.
func (e *Engine) withdraw(kind, store string, name any, d declaration) {
	e.declared.mu.Lock()
	h := d.counted()
	h.count--
	last := h.count == 0
	if last {
		delete(e.declared.all, declaredAs{kind, store, name})
		h.closed.Store(true)
	}
	e.declared.mu.Unlock()
	if !last {
		return
	}
	e.lock()
	defer e.mu.Unlock()
	if s := e.namespace(store); s != nil {
		left := slices.DeleteFunc(slices.Clone(s.built()), func(o owned) bool { return o.owner == d })
		s.projections.Store(&left)
	}
}
