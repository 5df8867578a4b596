// SPDX-License-Identifier: Apache-2.0

// Package companion is what apps embed: a store that remembers everything that the app has told it, with
// records and events typed over the app's own structs.
//
//	s, err := companion.Open(ctx, companion.Options{})        // in memory; see Options for more
//	tasks, err := companion.NewRecords[Task](s, "tasks")
//	receipt, err := tasks.Put(ctx, "t1", Task{Title: "Buy milk"})
//	task, err := tasks.Get(ctx, "t1")
//	then, err := tasks.GetAt(ctx, "t1", companion.Moment{Time: yesterday})
//
// Over [Records] and [Events], an app declares what else it reads, in terms of its structs:
//
//	open, err := tasks.Scope("open", companion.Filter[Task]{Where: map[string]any{"done": false}})
//	byOwner, err := notes.Partition("owner")
//	ofTask, err := companion.NewRelation(tasks, comments, "task")
//	hours := companion.NewFold(tasks, 0, func(n int, before, after companion.Record[Task]) int { return n - before.Value.Hours + after.Value.Hours })
//	err = tasks.Derive("summary", 1, func(ctx context.Context, t companion.Record[Task]) (companion.Derived, error) { … })
//	err = tasks.Upcast(fromVersion1)
//	err = tasks.Retain(companion.Retention{Versions: 10})
//
// [Options.Backend] says where the facts live; the app's code does not change. Package companiontest has a
// Store for tests.
//
// Structs are written as encoding/json writes pointers to them, with the names in their json tags. [NewRecords]
// and [NewEvents] refuse types that can't be read again. What encoding/json leaves out or replaces in others (fields
// that are not exported, bytes of a string that are not UTF-8) is not kept, and numbers in a value of any are read as
// float64, or as json.Number if a float64 would round them, such as integers above 2^53. Values that the app's code gets
// share no memory with the Store.
//
// Every write returns a [Receipt]. A write is visible to its own process when it returns, and to
// others on the same log soon after.
package companion
