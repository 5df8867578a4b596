// Package companion is what apps embed: a store that remembers everything the app has told it, with
// records and histories typed over the app's own structs.
//
//	s, err := companion.Open(ctx, companion.Options{})        // in memory; see Options for more
//	tasks, err := companion.NewRecords[Task](s, "tasks")
//	receipt, err := tasks.Put(ctx, "t1", Task{Title: "Buy milk"})
//	task, err := tasks.Get(ctx, "t1")
//	then, err := tasks.GetAt(ctx, "t1", companion.Moment{Time: yesterday})
//
// Where the facts live is said by [Options.Backend] alone, and the app's code stays as it is.
//
// Structs are written as encoding/json writes them, their json tags naming the fields; what that
// leaves out or replaces (such as bytes of a string that are not UTF-8) is not kept.
//
// Every write returns a [Receipt]. A write is visible to its own process when it returns, and to
// others on the same log soon after.
package companion
