// SPDX-License-Identifier: Apache-2.0

// Package backend is the contract between Igniter and the places where facts live.
//
// A backend is one ordered log of facts. [Backend] is what an author writes, four methods; [Log] is
// what the engine and the server use, and [Complete] makes one of any Backend. Their comments, and
// the rules of [Page], are the contract: each rule is a case of the suite in package backendtest, which
// authors of further backends run over their own. Package sequencer has what most backends need.
//
// Programs open a backend by its own constructor, or by name through the registry ([Open]), for names in configuration
// files. [Intercept] makes decorators of logs.
package backend
