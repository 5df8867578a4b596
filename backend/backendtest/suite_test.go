package backendtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/igniter-store/igniter/backend"
)

// TestNaive checks that what the mutants are made from passes every case.
func TestNaive(t *testing.T) {
	t.Parallel()
	Run(t, naives(""), nil)
}

// TestExcused checks that a backend which needs every excuse passes with all of them.
func TestExcused(t *testing.T) {
	t.Parallel()
	fresh := func(t testing.TB, dir string) backend.Backend { return bare{naives("")(t, dir)} }
	Run(t, fresh, &Options{Volatile: true, NoBatch: true, NoFollow: true, NoPrune: true, NoStats: true, MaxFrame: -1})
}

func TestSkipped(t *testing.T) {
	for _, opts := range []*Options{nil, {}, {Timeout: time.Hour}, {MaxFrame: 1 << 20}} {
		if got := Skipped(opts); len(got) > 0 {
			t.Errorf("%+v skips %q", opts, got)
		}
	}
	for _, x := range []struct {
		opts Options
		want []string
	}{
		{Options{Volatile: true}, []string{
			"reopen", "reopen-batch", "reopen-causation", "reopen-id", "reopen-in-flight", "reopen-pruned", "reopen-pruned-last",
			"reopen-seq", "reopen-snapshot", "reopen-stats", "reopen-transaction-time",
		}},
		{Options{NoStats: true}, []string{"close-in-flight-stats", "closed-stats", "reopen-stats", "stats", "stats-pruned", "stats-while-writing"}},
		{Options{MaxFrame: -1}, []string{"batch-too-large", "value-too-large"}},
	} {
		if d := cmp.Diff(x.want, Skipped(&x.opts)); d != "" {
			t.Errorf("%+v (-want +got):\n%s", x.opts, d)
		}
	}
	all := Skipped(&Options{Volatile: true, NoBatch: true, NoFollow: true, NoPrune: true, NoStats: true})
	if !slices.Contains(all, "follow") || !slices.Contains(all, "batch") || !slices.Contains(all, "prune") || slices.Contains(all, "write-order") {
		t.Errorf("all excuses skip %q", all)
	}
}

// TestRule checks that a failure says which rule was broken, once.
func TestRule(t *testing.T) {
	c := testCase{name: "x", rule: "Facts are facts.", check: func(l *lab) {
		l.Errorf("first")
		l.Errorf("second")
	}}
	r := record(t, func(r *recorder) { c.run(r, naives(""), (*Options)(nil).complete()) })
	want := "broken rule of the contract: Facts are facts.\nfirst\nsecond\n"
	if got := r.text.String(); got != want || !r.Failed() {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPanic checks that a panic is the case's failure, wherever it happens, and nobody else's.
func TestPanic(t *testing.T) {
	for _, check := range []func(l *lab){
		func(*lab) { panic("here") },
		func(l *lab) { l.join(l.start(func() error { panic("there") })) },
	} {
		c := testCase{name: "x", rule: "Facts are facts.", check: check}
		r := record(t, func(r *recorder) { c.run(r, naives(""), (*Options)(nil).complete()) })
		if !r.Failed() || !strings.Contains(r.text.String(), "here") {
			t.Errorf("got %q", r.text.String())
		}
	}
}

// TestHang checks that a case which hangs fails, and is silent from then on.
func TestHang(t *testing.T) {
	release, ended := make(chan struct{}), make(chan struct{})
	c := testCase{name: "x", rule: "Facts are facts.", check: func(l *lab) {
		defer close(ended)
		<-release
		l.Log("too late")
		l.Fatalf("too late")
	}}
	r := record(t, func(r *recorder) { c.run(r, naives(""), Options{Timeout: time.Millisecond}) })
	if text := r.text.String(); !r.Failed() || !strings.Contains(text, "the case hangs") || !strings.Contains(text, c.rule) {
		t.Errorf("got %q", text)
	}
	close(release)
	<-ended
	if strings.Contains(r.text.String(), "too late") {
		t.Error("a case that was given up still speaks")
	}
}

func BenchmarkNaive(b *testing.B) { Benchmark(b, naives("")) }
