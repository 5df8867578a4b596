package backendtest

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
)

// A guard stands between a case and its test: it prints the case's rule before the first failure,
// lets the case run in a goroutine of its own, and keeps a case that was given up silent.
type guard struct {
	testing.TB
	rule string

	mu     sync.Mutex
	failed bool
	over   bool // the case was given up
}

func (g *guard) fail(text string) {
	g.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return
	}
	if !g.failed {
		g.failed = true
		text = fmt.Sprintf("broken rule of the contract: %s\n%s", g.rule, text)
	}
	g.TB.Error(text)
}

// catch reports a panic as a failure. It is to be deferred.
func (g *guard) catch() {
	if p := recover(); p != nil {
		g.fail(fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
	}
}

// giveUp fails a case that hangs, and ignores what it says from then on.
func (g *guard) giveUp() {
	stacks := make([]byte, 1<<18)
	stacks = stacks[:runtime.Stack(stacks, true)]
	g.fail(fmt.Sprintf("the case hangs; all goroutines:\n%s", stacks))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
}

func (g *guard) Error(args ...any) {
	g.Helper()
	g.fail(fmt.Sprintln(args...))
}

func (g *guard) Errorf(format string, args ...any) {
	g.Helper()
	g.fail(fmt.Sprintf(format, args...))
}

func (g *guard) Fatal(args ...any) {
	g.Helper()
	g.fail(fmt.Sprintln(args...))
	runtime.Goexit()
}

func (g *guard) Fatalf(format string, args ...any) {
	g.Helper()
	g.fail(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (g *guard) Fail() {
	g.Helper()
	g.fail("the case failed")
}

func (g *guard) FailNow() {
	g.Helper()
	g.fail("the case failed")
	runtime.Goexit()
}

func (g *guard) Failed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed || g.TB.Failed()
}

func (g *guard) Log(args ...any) {
	g.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.TB.Log(args...)
	}
}

func (g *guard) Logf(format string, args ...any) {
	g.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.TB.Logf(format, args...)
	}
}
