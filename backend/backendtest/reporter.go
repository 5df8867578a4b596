// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
)

// A reporter passes the reports of a case to its test. It prints the case's rule before the first failure, lets the case
// run in its own goroutine, and ignores the reports of an abandoned case.
type reporter struct {
	testing.TB
	rule string

	mu     sync.Mutex
	failed bool
	over   bool // the case was abandoned
}

func (r *reporter) fail(text string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	if !r.failed {
		r.failed = true
		text = fmt.Sprintf("broken rule of the contract: %s\n%s", r.rule, text)
	}
	r.TB.Error(text)
}

// catch reports a panic as a failure. Defer it.
func (r *reporter) catch() {
	if p := recover(); p != nil {
		r.fail(fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
	}
}

// giveUp fails a case that hangs, and ignores its reports from then on.
func (r *reporter) giveUp() {
	stacks := make([]byte, 1<<18)
	stacks = stacks[:runtime.Stack(stacks, true)]
	r.fail(fmt.Sprintf("the case hangs; all goroutines:\n%s", stacks))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

func (r *reporter) Error(args ...any) {
	r.Helper()
	r.fail(fmt.Sprintln(args...))
}

func (r *reporter) Errorf(format string, args ...any) {
	r.Helper()
	r.fail(fmt.Sprintf(format, args...))
}

func (r *reporter) Fatal(args ...any) {
	r.Helper()
	r.fail(fmt.Sprintln(args...))
	runtime.Goexit()
}

func (r *reporter) Fatalf(format string, args ...any) {
	r.Helper()
	r.fail(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (r *reporter) Fail() {
	r.Helper()
	r.fail("the case failed")
}

func (r *reporter) FailNow() {
	r.Helper()
	r.fail("the case failed")
	runtime.Goexit()
}

func (r *reporter) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed || r.TB.Failed()
}

func (r *reporter) Log(args ...any) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.TB.Log(args...)
	}
}

func (r *reporter) Logf(format string, args ...any) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.TB.Logf(format, args...)
	}
}
