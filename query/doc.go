// SPDX-License-Identifier: Apache-2.0

// Package query has the questions that people and programs ask about a log, and their answers in the form that HTTP
// gives them. A [Reader] answers them; package store/reader has a Reader for any log. Package server/web and the
// command use it, so that both show the same.
//
// # Access
//
// Each question takes the stores that the caller may read, sorted; nil: all. The answer is as if the log had no other
// stores: their facts are not found, counted, or linked to. A question about one store that is not among them is
// backend.ErrForbidden.
//
// # Large values
//
// Answers of many facts hold a value of up to [MaxValue] bytes. A larger value is left out, and ValueBytes has its
// size: read the fact by its ID. An answer of many facts ends early once it has [MaxAnswer] bytes of facts, and says
// where the next page begins.
package query

const (
	MaxValue  = 64 << 10 // bytes of a value in an answer of many facts
	MaxChange = 1 << 10  // bytes of a value in a Change and in a FactRef
	MaxAnswer = 4 << 20  // bytes of the facts of an answer, about
	MaxLimit  = 1000     // facts or keys of a page
	MaxFacts  = 10_000   // facts of a window read backwards, and on either side of a lineage
)
