// SPDX-License-Identifier: Apache-2.0

// Package companion is the package for apps: a store that keeps the whole history of the app's data, with records and
// events typed by the app's own structs.
//
//	s, err := companion.Open(ctx, companion.Options{})        // in memory; see Options for more
//	tasks, err := companion.NewRecords[Task](s, "tasks")
//	receipt, err := tasks.Put(ctx, "t1", Task{Title: "Buy milk"})
//	task, err := tasks.Get(ctx, "t1")
//	then, err := tasks.GetAt(ctx, "t1", companion.Moment{Time: yesterday})
//
// On [Records] and [Events], an app declares views, rules and retention in terms of its structs:
//
//	open, err := tasks.Scope("open", companion.Filter[Task]{Where: map[string]any{"done": false}})
//	byOwner, err := notes.Partition("owner")
//	ofTask, err := companion.NewRelation(tasks, comments, "task")
//	hours := companion.NewFold(tasks, 0, func(n int, before, after companion.Record[Task]) int { return n - before.Value.Hours + after.Value.Hours })
//	err = tasks.Derive("summary", 1, func(ctx context.Context, t companion.Record[Task]) (companion.Derived, error) { … })
//	err = tasks.Upcast(fromVersion1)
//	err = tasks.Retain(companion.Retention{Versions: 10})
//
// [Options.Backend] selects where the facts are kept; the rest of the app's code stays the same. Package companiontest
// has a Store for tests.
//
// Values are written as JSON by encoding/json, which is given a pointer to the value. [NewRecords] and [NewEvents]
// refuse types whose JSON can't be read back. encoding/json leaves out fields that are not exported and the
// seconds of a zone's offset, which some zones had before 1937 (use UTC), and replaces bytes of strings that are not UTF-8.
// Numbers inside an any are read as float64, or as json.Number if a float64 would round them, such as integers above 2^53.
// Values that the app gets share no memory with the Store.
//
// Every write returns a [Receipt]. A write is visible to its own process when it returns, and to
// others on the same log soon after.
package companion
