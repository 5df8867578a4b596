// SPDX-License-Identifier: Apache-2.0

// Package backendtest is the conformance suite of package backend. Every rule in the comments of
// backend.Fact, backend.Backend, backend.Log and backend.Page that a test can see is a case of [Run].
// Backends run it in their own tests:
//
//	func TestSuite(t *testing.T) {
//		backendtest.Run(t, func(t testing.TB, dir string) backend.Backend {
//			b, err := mine.Open(dir)
//			if err != nil {
//				t.Fatal(err)
//			}
//			return b
//		}, nil)
//	}
//
// A backend of four methods is enough: the suite completes it with [backend.Complete]. What it lacks then
// is excused by [Options], one by one: Features must say the same, and [Skipped] names the cases that this
// leaves out. Write a backend case by case: go test -run 'TestSuite/write-' runs the cases about WriteFact.
//
// A case that fails prints the rule that was broken, then what it saw. A case that hangs fails after
// [Options].Timeout, with the stacks of all goroutines; the call that hangs is left behind, since nothing
// can end it.
//
// A decorator that is not made with [backend.Intercept] runs the suite over a log that it decorates. A log
// that is a wire.Framer runs it a second time through package framed.
//
// [Benchmark] measures all backends in the same way.
//
// The package imports only the standard library, package backend and go-cmp, since the tests that
// use it inherit its dependencies.
package backendtest
