// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/igniter-store/igniter/backend"
)

// Tail yields the facts of a store with a seq above after, retractions too, in the order of the log,
// and then each new one as the engine shows it. Each pair is a record and nil, or the zero Record
// and an error, which ends the loop: ctx's, ErrNotLoaded, an error of reading the log, a *backend.DivergedError if the
// log ends before after (see [Engine.Resume]), or, after all facts that the engine shows, why it no
// longer follows the log. To go on in this process, pass the seq of the last record. A consumer that goes on after a restart
// keeps a cursor and passes what [Engine.Resume] returns: a seq alone does not tell that the log was restored to an
// earlier one, and has grown past it since.
//
// If after is before the store's horizon, or facts that the loop has not come to were pruned before this process had read
// them or are dropped from memory with a compaction, it says so before it goes on: with the zero Record and a
// *backend.CompactedError, the one error that does not end the loop if its body goes on. To show what a store holds
// nevertheless, list it as of the horizon, and go on after that.
//
// While the process may not read the store, nothing comes; once it may again, the loop goes on where it was. The same holds
// while facts must be read from the log and that can't be reached or does not let the process in.
//
// It is served from memory, not from a queue: a slow loop costs writers nothing and misses nothing. Facts
// that were dropped from memory (Options.KeepVersions) are read from the log. The loop's body may call any
// method.
func (e *Engine) Tail(ctx context.Context, store string, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := e.reachable(ctx, after); err != nil {
			yield(Record{}, fmt.Errorf("store: tail: %w", err))
			return
		}
		told, begun := uint64(0), false // the loop knows that facts through this seq may be missing; it has looked before
		wait := backoff.NewExponentialBackOff()
		wait.MaxInterval = maxRetryInterval
		for {
			regained, readable := e.regained.Changed(), false
			var v view
			err := e.under(func(a *access) (err error) {
				if readable = a.has(store); !readable {
					return nil
				}
				v, err = e.viewFor(ctx, store, &Moment{Seq: max(after, 1)})
				return err
			})
			if (passes(err) || err == nil && !readable) && !e.ended.Load() {
				var again <-chan time.Time // nil: regained tells
				if err != nil {
					again = time.After(wait.NextBackOff())
				}
				select {
				case <-regained:
					continue
				case <-again:
					continue
				case <-ctx.Done():
					yield(Record{}, ctx.Err())
					return
				}
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("store: tail: %w", err))
				return
			}
			wait.Reset()
			missing := e.missingThrough(store)
			h := e.Horizon(store)
			if !begun { // later it knows that what came since is in memory, unless it was pruned before it was read
				missing = h.Seq
			}
			if begun = true; after < missing && told < missing {
				if told = h.Seq; !yield(Record{}, fmt.Errorf("store: tail after seq %d: %w", after, &backend.CompactedError{Store: store, Horizon: h})) {
					return
				}
			}
			for r := range v.facts(after) {
				if err := ctx.Err(); err != nil {
					yield(Record{}, err)
					return
				}
				if !yield(r, nil) {
					return
				}
			}
			after = max(after, v.head)
			err = e.WaitFor(ctx, v.head+1)
			if err == nil {
				err = ctx.Err() // also if other stores are written all the time
			}
			if err != nil && (ctx.Err() != nil || e.Head() <= v.head) { // otherwise facts came before the end
				yield(Record{}, err)
				return
			}
		}
	}
}
