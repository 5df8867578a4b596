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
// A backend of four methods is enough: the suite completes it with [backend.Complete]. [Options] then excuse it from each
// feature that it lacks. Its Features must agree with the Options. [Skipped] names the cases that are left out. You can
// write a backend case by case: go test -run 'TestSuite/write-' runs the cases about WriteFact.
//
// A case that fails prints the broken rule, then its observation. A case that hangs fails after [Options].Timeout, with the
// stacks of all goroutines. The hanging call is abandoned, since nothing can end it.
//
// For a decorator that is not made with [backend.Intercept], run the suite over a decorated log. For a log that is a
// wire.Framer, run it a second time through package framed.
//
// [Benchmark] measures all backends in the same way.
//
// The package imports only the standard library, package backend and go-cmp, because tests that use it inherit its
// dependencies.
package backendtest
