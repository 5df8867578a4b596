// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/igniter-store/igniter/backend"
)

// TestNaive checks that naive without a bug passes every case. It is only used by tests, so that the race detector need not
// check it.
func TestNaive(t *testing.T) {
	t.Parallel()
	disks := newDisks("")
	Run(t, disks.open, &Options{InProcess: true, Restore: disks.restore})
}

// bares returns an Opener of naives with no methods but Backend's.
func bares() Opener {
	open := naives()
	return func(t testing.TB, dir string) backend.Backend { return struct{ backend.Backend }{open(t, dir)} }
}

// TestMinimal checks that a backend of four methods passes, completed by Complete, with an excuse for each feature that it
// lacks.
func TestMinimal(t *testing.T) {
	t.Parallel()
	opts := &Options{InProcess: true, NoBatch: true, NoPrune: true, NoLimit: true}
	want := []string{
		"batch", "batch-again", "batch-cancelled", "batch-causation", "batch-consecutive", "batch-id-reused", "batch-invalid", "batch-partly-held",
		"batch-too-large", "batch-too-many", "close-in-flight-batch", "close-in-flight-prune", "closed-batch", "closed-prune", "copy-in-batch", "copy-out-batch",
		"expect", "expect-empty-batch", "expect-invalid", "expect-many", "expect-race", "expect-retraction", "follow-batch",
		"follow-progress-pruned", "ids-all", "known-batch", "page-batches", "page-batches-follow", "page-batches-inside", "page-batches-pruned", "page-batches-reopened",
		"page-batches-snapshot", "page-end-pruned", "page-through-batch", "prune", "prune-body", "prune-cancelled", "prune-expect",
		"prune-follow", "prune-horizon", "prune-horizon-follow", "prune-horizon-last", "prune-horizon-loop", "prune-horizon-page", "prune-id", "prune-last", "prune-latest", "prune-missing", "prune-snapshot", "reopen-batch",
		"reopen-cursor-pruned", "reopen-horizon", "reopen-ids-all", "reopen-killed", "reopen-pruned", "reopen-pruned-last", "reopen-stats", "restored-cursor", "restored-open", "stats-pruned", "value-too-large", "verdict-first-batch", "verdict-order",
		"verdict-refused-batch", "write-again-late",
	}
	if d := cmp.Diff(want, Skipped(opts)); d != "" {
		t.Errorf("Skipped (-want +got):\n%s", d)
	}
	Run(t, bares(), opts)
}

// TestExcused checks that a backend which needs every excuse passes with all of them.
func TestExcused(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("TestMinimal runs the same cases, and more: run it without the race detector")
	}
	fresh := func(t testing.TB, dir string) backend.Backend { return bares()(t, dir) }
	Run(t, fresh, &Options{Volatile: true, NoBatch: true, NoPrune: true, NoLimit: true})
}

func TestSkipped(t *testing.T) {
	if d := cmp.Diff([]string{"restored-cursor", "restored-open"}, Skipped(nil)); d != "" {
		t.Errorf("Skipped (-want +got):\n%s", d)
	}
	restore := newDisks("").restore
	for _, opts := range []*Options{{Restore: restore}, {Restore: restore, Timeout: time.Hour}, {Restore: restore, intercept: backend.Intercept}} {
		if got := Skipped(opts); len(got) > 0 {
			t.Errorf("%+v skips %q", opts, got)
		}
	}
	for _, x := range []struct {
		opts Options
		want []string
	}{
		{Options{Volatile: true}, []string{
			"page-batches-reopened", "reopen", "reopen-batch", "reopen-causation", "reopen-cursor", "reopen-cursor-pruned", "reopen-horizon", "reopen-id", "reopen-id-of-stores", "reopen-ids-all", "reopen-in-flight", "reopen-killed", "reopen-pruned", "reopen-pruned-last",
			"reopen-seq", "reopen-snapshot", "reopen-stats", "reopen-stats-last-time", "reopen-transaction-time",
		}},
		{Options{InProcess: true}, []string{"reopen-killed"}},
		{Options{NoLimit: true}, []string{"batch-too-large", "value-too-large"}},
		{Options{NoPaging: true}, []string{"memory-follow", "memory-replay"}},
	} {
		x.opts.Restore = restore
		if d := cmp.Diff(x.want, Skipped(&x.opts)); d != "" {
			t.Errorf("%+v (-want +got):\n%s", x.opts, d)
		}
	}
	all := Skipped(&Options{Volatile: true, NoBatch: true, NoPrune: true, NoLimit: true})
	if !slices.Contains(all, "reopen") || !slices.Contains(all, "batch") || !slices.Contains(all, "prune") || slices.Contains(all, "follow") {
		t.Errorf("all excuses skip %q", all)
	}
}

// TestRule checks that a failing case prints the broken rule, once.
func TestRule(t *testing.T) {
	c := testCase{name: "x", rule: "Facts are facts.", check: func(h *harness) {
		h.Errorf("first")
		h.Errorf("second")
	}}
	r := record(t, func(r *recorder) { c.run(r, naives(), (*Options)(nil).complete()) })
	want := "broken rule of the contract: Facts are facts.\nfirst\nsecond\n"
	if got := r.text.String(); got != want || !r.Failed() {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPanic checks that a panic of a case, in any of its goroutines, fails only this case.
func TestPanic(t *testing.T) {
	for _, check := range []func(h *harness){
		func(*harness) { panic("here") },
		func(h *harness) { h.join(h.start(func() error { panic("there") })) },
	} {
		c := testCase{name: "x", rule: "Facts are facts.", check: check}
		r := record(t, func(r *recorder) { c.run(r, naives(), (*Options)(nil).complete()) })
		if !r.Failed() || !strings.Contains(r.text.String(), "here") {
			t.Errorf("got %q", r.text.String())
		}
	}
}

// TestHang checks that a case which hangs fails, and reports nothing more.
func TestHang(t *testing.T) {
	release, ended := make(chan struct{}), make(chan struct{})
	c := testCase{name: "x", rule: "Facts are facts.", check: func(h *harness) {
		defer close(ended)
		<-release
		h.Log("too late")
		h.Fatalf("too late")
	}}
	r := record(t, func(r *recorder) { c.run(r, naives(), Options{Timeout: time.Millisecond}) })
	if text := r.text.String(); !r.Failed() || !strings.Contains(text, "the case hangs") || !strings.Contains(text, c.rule) {
		t.Errorf("got %q", text)
	}
	close(release)
	<-ended
	if strings.Contains(r.text.String(), "too late") {
		t.Error("a case that was abandoned still reports")
	}
}

func BenchmarkNaive(b *testing.B) { Benchmark(b, naives()) }
