// SPDX-License-Identifier: Apache-2.0

package sequencer_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// A log as a slice, to show how a backend uses a Sequencer for each batch.
func Example() {
	var log []backend.Fact // the fact with seq n is log[n-1]
	seq := sequencer.New(func(n uint64) (backend.Fact, bool, error) {
		if n > uint64(len(log)) {
			return backend.Fact{}, false, nil
		}
		return log[n-1].Clone(), true, nil
	})

	write := func(b backend.Batch) (w backend.Written) {
		facts, err := sequencer.PrepareBatch(b, 1<<20)
		if err != nil {
			return backend.Written{Err: err}
		}
		first := seq.Next()
		fresh, err := seq.Assign(facts, b.Expect, time.Now())
		if err != nil {
			return backend.Written{Err: err}
		}
		w.Facts = facts
		if fresh > 0 {
			w.First = first
		}
		for _, f := range facts {
			if f.Seq == uint64(len(log)+1) { // new; a fact that the batch has twice is kept once
				log = append(log, f.Clone())
			}
		}
		seq.Commit()
		return w
	}

	open := backend.Fact{ID: "a", Store: "tasks", Key: "t1", Value: []byte(`{"done":false}`)}
	done := backend.Fact{ID: "b", Store: "tasks", Key: "t1", Value: []byte(`{"done":true}`)}
	for _, b := range []backend.Batch{
		{Facts: []backend.Fact{open}},
		{Facts: []backend.Fact{open, done}}, // the log already has open
		{Facts: []backend.Fact{{ID: "c", Store: "tasks", Key: "t1", Value: []byte("null")}}, Expect: []backend.Expect{{Store: "tasks", Key: "t1", ID: "a"}}},
	} {
		w := write(b)
		for _, f := range w.Facts {
			fmt.Printf("%d %s after %q, new: %v\n", f.Seq, f.ID, f.Causation, w.New(&f))
		}
		var conflict *backend.ConflictError
		if errors.As(w.Err, &conflict) {
			fmt.Printf("conflict: the latest is %q\n", conflict.Latest)
		}
	}
	// Output:
	// 1 a after "", new: true
	// 1 a after "", new: false
	// 2 b after "a", new: true
	// conflict: the latest is "b"
}
