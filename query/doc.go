// SPDX-License-Identifier: Apache-2.0

// Package query has the questions that people and programs ask about a log, and their answers in the form that HTTP gives
// them. A [Reader] answers them; package store/reader has one over any log. Package server/web and the command ask one
// Reader, so that both show the same.
//
// # Who may read
//
// Each question takes the stores that the caller may read, sorted; nil: all. The answer is that of a log without the
// other stores: their facts are not found, counted, or linked to. A question about one store that is not among them is
// backend.ErrForbidden.
//
// # Large values
//
// Answers of many facts hold a value of up to [MaxValue] bytes. A larger one is left out, and ValueBytes says how large it
// is: read that fact by its ID. Such an answer ends early, with where to go on, once it has [MaxAnswer] bytes of facts.
package query

const (
	MaxValue  = 64 << 10 // bytes of a value in an answer of many facts
	MaxChange = 1 << 10  // bytes of a value in a Change and in a FactRef
	MaxAnswer = 4 << 20  // bytes of the facts of an answer, about
	MaxLimit  = 1000     // facts or keys of a page
	MaxFacts  = 10_000   // facts of a window read backwards, and on either side of a lineage
)
