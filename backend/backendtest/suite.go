package backendtest

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// An Opener opens a backend whose log lives in dir, an empty directory at first. Opened with the
// same dir after Close, it is the same log again: so one function gives fresh logs and reopened
// ones. A backend that keeps no files uses dir as the name of its log. Each case has a dir of its
// own.
//
// An Opener that fails says so through t and does not return. The suite closes what it opened; what
// else an Opener starts is ended through t.Cleanup. It is called from goroutines that are not the
// test's own, never from two at once for the same dir.
type Opener func(t testing.TB, dir string) backend.Backend

// Options name what a backend is excused from. Nil and the zero Options ask for every guarantee.
type Options struct {
	Volatile bool // nothing survives Close: no case reopens the log
	NoBatch  bool // it is no backend.BatchWriter, or answers errors.ErrUnsupported
	NoFollow bool // the same for backend.Follower
	NoPrune  bool // the same for backend.Pruner
	NoStats  bool // the same for backend.Stater

	// MaxFrame is the largest frame that the backend takes, in bytes. The suite writes values a
	// little larger and wants ErrTooLarge, and expects a value of 1 MiB to fit. 0: 16 MiB;
	// negative: it has no limit, and no case looks for one.
	MaxFrame int

	// Timeout is how long one case may take. 0: 60 seconds. It is there so that a backend that
	// hangs fails; no case measures time.
	Timeout time.Duration
}

// Run runs every case against the backends that open opens, each as a subtest of t, one after the
// other. Those that opts excuses are skipped, and say which option did it. Run is over when all of
// them are.
func Run(t *testing.T, open Opener, opts *Options) {
	t.Helper()
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
	full.MaxFrame = cmp.Or(full.MaxFrame, 16<<20)
	full.Timeout = cmp.Or(full.Timeout, time.Minute)
	return full
}

// A need is something that a case wants from a backend and that an option excuses.
type need int

const (
	reopening need = 1 << iota
	batches
	following
	pruning
	stating
	limited
)

// excuses returns the name of the option that excuses a backend from a case with these needs, ""
// if none does.
func (o Options) excuses(needs need) string {
	for _, x := range []struct {
		need   need
		set    bool
		option string
	}{
		{reopening, o.Volatile, "Volatile"},
		{batches, o.NoBatch, "NoBatch"},
		{following, o.NoFollow, "NoFollow"},
		{pruning, o.NoPrune, "NoPrune"},
		{stating, o.NoStats, "NoStats"},
		{limited, o.MaxFrame < 0, "MaxFrame"},
	} {
		if x.set && needs&x.need != 0 {
			return x.option
		}
	}
	return ""
}

// A testCase enforces one rule of the contract.
type testCase struct {
	name  string
	needs need
	rule  string // as the contract says it
	check func(l *lab)
}

// cases returns the table of all cases.
func cases() []testCase {
	return slices.Concat(
		writeCases(), valueCases(), copyCases(), invalidCases(), replayCases(), concurrentCases(),
		snapshotCases(), batchCases(), expectCases(), followCases(), followEndCases(), pruneCases(), reopenCases(),
		closeCases(),
	)
}

// run runs the case against a fresh log. It returns when all that the case started has ended, or
// when the case has hung for too long.
func (c testCase) run(t testing.TB, open Opener, o Options) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), o.Timeout)
	defer cancel()
	g := &guard{TB: t, rule: c.rule}
	l := &lab{guard: g, ctx: ctx, opener: open, opts: o, needs: c.needs, dir: t.TempDir()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer g.catch()
		defer l.end(cancel)
		defer g.catch()
		c.check(l)
	}()
	// Calls that heed their context end by the timeout; half as much again is for the others.
	timer := time.NewTimer(o.Timeout + o.Timeout/2)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		g.giveUp()
	}
}
