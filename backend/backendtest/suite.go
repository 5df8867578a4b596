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

// An Opener opens a backend whose log is in dir. At first dir is empty, and the log is new. If dir was used before and the
// backend was closed, the Opener opens the same log again. A backend without files uses dir as the name of its log. Each
// case has its own dirs.
//
// An Opener that fails calls t.Fatal and does not return. The suite closes the backend; use t.Cleanup to end anything else
// that an Opener starts. Other goroutines than the test's own call the Opener, but never two at once for the same dir.
type Opener func(t testing.TB, dir string) backend.Backend

// Options excuse a backend from features that it lacks. Nil and the zero Options require every guarantee, except the
// guarantees about restored logs, for which the suite needs Restore. An excuse that contradicts the backend's Features is a
// failure, and so is a missing excuse.
type Options struct {
	Volatile  bool // nothing survives Close: no case reopens the log
	InProcess bool // the log ends with the process, though not with Close: no case kills a process
	NoBatch   bool // Features.Batches is false
	NoPrune   bool // Features.Prune is false
	NoLimit   bool // Features.MaxFrame is 0: no case looks for a limit
	NoBy      bool // the log can't keep Fact.By, and refuses facts that have one
	NoPaging  bool // loops hold the whole log in memory, which bounds its size: no case reads a large log

	// Restore replaces the log in dir, as restoring a backup does, by a log that has its facts through a seq, with their
	// seqs, and a new identity. The suite calls it with and without an open backend over dir. If Restore is nil, the cases
	// that need it are skipped.
	Restore func(t testing.TB, dir string, through uint64)

	// Timeout limits the time of one case; 0 stands for 60 seconds. It lets a case fail whose backend hangs; no case
	// measures time.
	Timeout time.Duration

	intercept func(backend.Log, backend.Hooks) backend.Log // nil: backend.Intercept; the tests of this package replace it
}

// Run runs every case against the backends that open opens, completed by [backend.Complete], each as a
// subtest of t, one after the other. It skips the cases that opts excuses, and prints which option excuses each.
//
// One case kills processes that write. For it, Run starts the test's program again with only the test t. In that process
// Run opens the log and writes to it instead of running cases.
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

// A feature is a requirement of a case that an option can excuse.
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

// An excuse is an option, the feature that it excuses, and how Features tells whether the log has it.
type excuse struct {
	feature feature
	option  string
	set     bool
	has     func(f *backend.Features) bool // nil: Features has no field for it
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
// if none exists.
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
	rule  string // in the words of the contract
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

// A case that measures memory holds alone exclusively, and other cases share it, since suites of one process may run side
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
	// Calls that respect their context end at the timeout. Other calls get half as much time again.
	timer := time.NewTimer(o.Timeout + o.Timeout/2)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		r.giveUp()
	}
}
