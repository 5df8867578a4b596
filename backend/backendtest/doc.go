// Package backendtest is the conformance suite of package backend: every rule in the comments of
// backend.Fact, backend.Backend and the optional interfaces that a test can see is a case of
// [Run]. Backends run it in their own tests, Igniter's and everyone else's alike.
//
// A case that fails prints the rule that was broken, then what was seen. A case that hangs fails
// too, with the stacks of all goroutines, once [Options].Timeout has passed; the call that hangs
// is left behind, since nothing can end it.
//
// [Benchmark] measures a backend the same way for all.
//
// The package imports only the standard library, package backend and go-cmp, since the tests that
// use it inherit what it needs.
package backendtest
