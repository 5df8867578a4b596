package store

import (
	"errors"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
)

// Functions of the app that decide about records, Match and Upcaster, run under the engine's lock while facts are
// applied. If they read, they find what is there; what is not built yet they look for record by record. If they
// write or wait, they would wait for themselves: that is refused.

// errReentered is why a call is refused.
var errReentered = errors.New("store: a Match or an Upcaster called a method that writes, waits or declares: writers wait for it, so that this would never end: call it elsewhere")

// calling is set while functions of the app are called under the engine's lock.
type calling struct{ set atomic.Bool }

// reentered reports whether the caller was called by the app's function under the engine's lock.
func (e *Engine) reentered() bool {
	return e.calling.set.Load() && onStack(func(name string) bool {
		return name == packagePath+".(*members).put" || name == packagePath+".(*postings).put"
	})
}

// lock takes the engine's lock. It panics if the caller's goroutine has it.
func (e *Engine) lock() {
	if e.mu.TryLock() {
		return
	}
	if e.reentered() {
		panic(errReentered)
	}
	e.mu.Lock()
}

// A busy flag is set while a scope's or an index's records are decided about under the engine's lock.
type busy struct{ set atomic.Bool }

// enter panics if the flag is set: the scope or index asks itself.
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
