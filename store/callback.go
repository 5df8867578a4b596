// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
)

// The app's Match and Upcaster functions run under the engine's lock while facts are applied. They may read: a read
// that needs a projection which is not built yet looks at every record instead. A write or a wait would wait for itself
// and is refused.

// errReentered refuses a call of a Match or an Upcaster.
var errReentered = errors.New("store: a Match or an Upcaster called a method that writes, waits or declares: writers wait for it, so that this would never end: call it elsewhere")

// A rule runs again after a conflict, and would run for its own writes. So it returns the facts to write, and calls
// with its context that write are refused. A rule or a change of Update that writes with another context could go on
// without end: after maxUnguarded rules or attempts the engine looks at the stack and refuses these writes, too.

// errGuarded refuses a call of a rule or of the change of an Update.
var errGuarded = errors.New("store: a rule, or the change of an Update, called a method that writes: it runs again after a conflict, and may run for what it writes itself, so that this might never end: let it return what to write, or write elsewhere")

// maxUnguarded is how many rules may run at once, or how often an Update calls change, before the engine looks at the
// stack of each write.
const maxUnguarded = 100

// ruleOf is the key under which the context of an engine's rule has a value.
type ruleOf struct{ *Engine }

// guarded calls a function of the app whose writes are refused, whatever their context.
//
//go:noinline
func (e *Engine) guarded(call func()) {
	e.guards.Add(1)
	defer e.guards.Add(-1)
	call()
}

// refused returns errGuarded if the caller was called by a rule or by a guarded function.
func (e *Engine) refused(ctx context.Context) error {
	if ctx.Value(ruleOf{e}) != nil || e.guards.Load() > 0 && onStack(func(name string) bool { return name == packagePath+".(*Engine).guarded" }) {
		return errGuarded
	}
	return nil
}

// calling is set while functions of the app are called under the engine's lock.
type calling struct{ set atomic.Bool }

// reentered reports whether the caller was called by a function of the app that runs under the engine's lock.
func (e *Engine) reentered() bool {
	return e.calling.set.Load() && onStack(func(name string) bool {
		return name == packagePath+".(*members).put" || name == packagePath+".(*postings).put"
	})
}

// lock takes the engine's lock. It panics if the caller's goroutine has it.
func (e *Engine) lock() {
	if !e.lockOutside() {
		panic(errReentered)
	}
}

// lockOutside takes the engine's lock, and returns false if the caller's goroutine has it.
func (e *Engine) lockOutside() bool {
	if !e.mu.TryLock() {
		if e.reentered() {
			return false
		}
		e.mu.Lock()
	}
	return true
}

// A busy flag is set while a scope or an index looks at a record under the engine's lock.
type busy struct{ set atomic.Bool }

// enter panics if the flag is set: a function of the scope or index reads the same scope or index.
func (b *busy) enter(kind, name string) {
	if !b.set.CompareAndSwap(false, true) {
		panic("store: a Match or an Upcaster asks the " + kind + " " + name + " that it decides about")
	}
}

func (b *busy) leave() { b.set.Store(false) }

var packagePath = reflect.TypeFor[Engine]().PkgPath()

// onStack reports whether a function with a fitting name is among the callers.
func onStack(fits func(name string) bool) bool {
	var buf [64]uintptr
	for skip := 2; ; skip += len(buf) {
		n := runtime.Callers(skip, buf[:])
		if n == 0 {
			return false
		}
		frames := runtime.CallersFrames(buf[:n])
		for {
			f, more := frames.Next()
			if fits(f.Function) {
				return true
			}
			if !more {
				break
			}
		}
	}
}

// insideFold reports whether the caller is called by a function that a Fold called: by its read, or by a step.
func insideFold() (read, step bool) {
	step = onStack(func(name string) bool { return foldMethod(name, ").advance") })
	return step || onStack(func(name string) bool { return foldMethod(name, ").called") }), step
}

func foldMethod(name, method string) bool {
	return strings.HasPrefix(name, packagePath+".(*Fold[") && strings.HasSuffix(name, method)
}
