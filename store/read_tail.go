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

// Tail yields the facts of a store with a seq above after, retractions too, in the order of the log, and then each new
// one as the engine shows it. Each pair is a record and nil, or the zero Record and an error, which ends the loop. The
// error is ctx's error, ErrNotLoaded, an error of reading the log, a *backend.DivergedError if the log ends before
// after (see [Engine.Resume]), or, after all facts that the engine shows, the reason why it no longer follows the log.
// To go on in this process, pass the seq of the last record. To go on after a restart, keep a cursor and pass the
// result of [Engine.Resume]: a seq alone does not show that the log was restored to an earlier seq and has grown past
// it since.
//
// If after is before the store's horizon, Tail first yields the zero Record and a *backend.CompactedError. It does so
// again later if facts that the loop has not reached are pruned before this process reads them or are dropped from
// memory by a compaction. It is the one error that does not end the loop: if the body goes on, the facts that are left
// follow. To begin with the whole content of the store instead, list the store as of the horizon, and go on after the
// horizon.
//
// While the process may not read the store, Tail waits; once it may again, the loop goes on where it was. Tail also
// waits while it must read facts from the log and the log can't be reached or does not admit the process.
//
// Tail is served from memory, not from a queue: a slow loop costs writers nothing and misses nothing. Facts that were
// dropped from memory (Options.KeepVersions) are read from the log. The loop's body may call any method.
func (e *Engine) Tail(ctx context.Context, store string, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := e.reachable(ctx, after); err != nil {
			yield(Record{}, fmt.Errorf("store: tail: %w", err))
			return
		}
		told, begun := uint64(0), false // the seq through which the loop was told that facts may be missing; whether it has looked before
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
			if !begun { // later facts are in memory, unless they were pruned before they were read
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
