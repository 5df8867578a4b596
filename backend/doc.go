// Package backend is the contract between Igniter and the places where facts live.
//
// A backend is one ordered log of facts. [Backend] is what every one of them does; [BatchWriter],
// [Follower], [Pruner] and [Stater] are what most do besides. Their comments are the contract:
// each rule in them is a case of the suite in package backendtest, which authors of further
// backends run over their own.
//
// A backend is opened by its own constructor, or by name through the registry ([Open]), as
// configuration files do it.
//
// The package imports nothing but the standard library.
package backend
