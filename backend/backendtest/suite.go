// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// An Opener opens a backend whose log lives in dir, an empty directory at first. Opened again with the
// same dir after Close, it is the same log: one function gives fresh logs and reopened ones. A backend
// that keeps no files uses dir as the name of its log. Each case has its own dirs.
//
// An Opener that fails says so through t and does not return. The suite closes what it opened; use
// t.Cleanup to end what else an Opener starts. It is called from goroutines that are not the test's own,
// never from two at once for the same dir.
type Opener func(t testing.TB, dir string) backend.Backend

// Options name what a backend is excused from. Nil and the zero Options ask for every guarantee, except those about
// restored logs, for which the suite needs Restore. An excuse that the backend's Features contradict is a failure,
// and so is a missing one.
type Options struct {
	Volatile  bool // nothing survives Close: no case reopens the log
	InProcess bool // the log ends with the process, though not with Close: no case kills a process
	NoBatch   bool // Features.Batches is false
	NoPrune   bool // Features.Prune is false
	NoLimit   bool // Features.MaxFrame is 0: no case looks for a limit
	NoBy      bool // the log can't keep Fact.By, and refuses facts that have one
	NoPaging  bool // loops hold the whole log in memory, which bounds its size: no case reads a large log

	// Restore puts another log in the place of the one in dir, as a restored backup is: one that has its facts through a seq,
	// with their seqs, and an identity of its own. It is called while a backend is open over dir, and while none is. nil: no
	// case needs it.
	Restore func(t testing.TB, dir string, through uint64)

	// Timeout is how long one case may take. 0: 60 seconds. It makes a backend that hangs fail; no case
	// measures time.
	Timeout time.Duration

	intercept func(backend.Log, backend.Hooks) backend.Log // nil: backend.Intercept; the tests of this package replace it
}

// Run runs every case against the backends that open opens, completed by [backend.Complete], each as a
// subtest of t, one after the other. It skips the cases that opts excuses, and says which option did it.
//
// A case kills processes that write. For it, the test's program is run again with t's test alone, where Run opens the
// log and writes to it instead of running cases.
func Run(t *testing.T, open Opener, opts *Options) {
	t.Helper()
	if runChild(t, open) {
		return
	}
	o := opts.complete()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if option := o.excuses(c.needs); option != "" {
				t.Skipf("excused by Options.%s", option)
			}
			c.run(t, open, o)
		})
	}
}

// Skipped returns the names of the cases that [Run] skips under opts, sorted. A backend's tests
// compare it with a list of their own, so that no excuse goes unnoticed. Nil opts skip nothing.
func Skipped(opts *Options) []string {
	o := opts.complete()
	names := []string{}
	for _, c := range cases() {
		if o.excuses(c.needs) != "" {
			names = append(names, c.name)
		}
	}
	slices.Sort(names)
	return names
}

func (o *Options) complete() Options {
	if o == nil {
		o = &Options{}
	}
	full := *o
	full.Timeout = cmp.Or(full.Timeout, time.Minute)
	if full.intercept == nil {
		full.intercept = backend.Intercept
	}
	return full
}

// A feature is something that a case needs and that an option excuses.
type feature int

const (
	reopening feature = 1 << iota
	killing
	batches
	pruning
	limited
	paging
	restoring
	stamped
)

// An excuse is an option, the feature that it excuses, and what Features says about that.
type excuse struct {
	feature feature
	option  string
	set     bool
	has     func(f *backend.Features) bool // nil: Features does not say
}

func (o *Options) list() []excuse {
	return []excuse{
		{reopening, "Volatile", o.Volatile, nil},
		{killing, "InProcess", o.InProcess, nil},
		{batches, "NoBatch", o.NoBatch, func(f *backend.Features) bool { return f.Batches }},
		{pruning, "NoPrune", o.NoPrune, func(f *backend.Features) bool { return f.Prune }},
		{limited, "NoLimit", o.NoLimit, func(f *backend.Features) bool { return f.MaxFrame > 0 }},
		{paging, "NoPaging", o.NoPaging, nil},
		{stamped, "NoBy", o.NoBy, nil},
		{restoring, "Restore", o.Restore == nil, nil},
	}
}

// excuses returns the name of the option that excuses a backend from a case with these needs, ""
// if there is none.
func (o *Options) excuses(needs feature) string {
	for _, x := range o.list() {
		if x.set && needs&x.feature != 0 {
			return x.option
		}
	}
	return ""
}

// A testCase enforces one rule of the contract.
type testCase struct {
	name  string
	needs feature
	rule  string // as the contract says it
	check func(h *harness)
}

// cases returns the table of all cases.
func cases() []testCase {
	return slices.Concat(
		writeCases(), valueCases(), copyCases(), invalidCases(), verdictCases(), batchCases(), expectCases(),
		replayCases(), rangeCases(), knownCases(), pageCases(), pageBatchCases(), memoryCases(), concurrentCases(), snapshotCases(),
		followCases(), followPageCases(), followEndCases(), pruneCases(), idCases(), statsCases(), reopenCases(), killCases(), restoreCases(),
		closeCases(), interceptCases(),
	)
}

// alone is locked by a case that measures memory, and shared by the other cases: suites of one process may run side
// by side.
var alone sync.RWMutex

// run runs the case against a fresh log. It returns when everything that the case started has ended, or
// when the case has hung for too long.
func (c testCase) run(t testing.TB, open Opener, o Options) {
	t.Helper()
	if c.needs&paging != 0 {
		alone.Lock()
		defer alone.Unlock()
	} else {
		alone.RLock()
		defer alone.RUnlock()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), o.Timeout)
	defer cancel()
	r := &reporter{TB: t, rule: c.rule}
	h := &harness{reporter: r, ctx: ctx, opener: open, opts: o, needs: c.needs}
	h.newLog()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.catch()
		defer h.end(cancel)
		defer r.catch()
		c.check(h)
	}()
	// Calls that heed their context end by the timeout; half as much again is for the others.
	timer := time.NewTimer(o.Timeout + o.Timeout/2)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		r.giveUp()
	}
}
