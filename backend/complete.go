// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/igniter-store/igniter/internal/ctxsync"
)

// DefaultPoll is the longest time until a log that [Complete] made shows what other processes wrote to
// its backend.
const DefaultPoll = 2 * time.Second

// minPoll is the time after a change at which Follow looks for the next one.
const minPoll = 250 * time.Millisecond

// Complete returns b itself if it is a [Log]. Otherwise it returns a Log over b's four methods with
// [Defaults] for the rest, which looks for the writes of other processes after 250 ms, and then at
// growing intervals of up to [DefaultPoll].
func Complete(b Backend) Log {
	if l, ok := b.(Log); ok {
		return l
	}
	c := &completed{Backend: b}
	c.Defaults = DefaultsOf(b, DefaultPoll)
	return c
}

type completed struct {
	Backend
	*Defaults
}

// WriteFact implements Backend, and wakes the loops that follow the log.
func (c *completed) WriteFact(ctx context.Context, f Fact) (Fact, error) {
	defer c.Wake()
	return c.Backend.WriteFact(ctx, f)
}

// Close implements Backend, and ends the loops that follow the log.
func (c *completed) Close() error {
	defer c.Wake()
	return c.Backend.Close()
}

// Defaults implements the methods of a [Log] that a [Backend] lacks, with the four methods of the
// Backend. Authors embed a pointer to one, override the methods that their backend can do better, and
// call Wake after each write:
//
//	type Log struct {
//		*backend.Defaults
//		…
//	}
//
//	l := &Log{…}
//	l.Defaults = backend.DefaultsOf(l, 0)
//
// Its methods may be called concurrently.
type Defaults struct {
	b      Backend
	poll   time.Duration
	change ctxsync.Signal

	mu    sync.Mutex // guards stats; held while Stats counts facts
	stats Stats
}

// DefaultsOf returns Defaults that work on the four methods of b. poll is the longest time until Follow
// shows what other processes write to the log: Follow looks again after 250 ms, and then at growing
// intervals of up to poll. 0: only this process writes, and calls Wake.
func DefaultsOf(b Backend, poll time.Duration) *Defaults {
	return &Defaults{b: b, poll: max(poll, 0)}
}

// Wake makes every Follow look for new facts. Call it after each write, and after Close.
func (d *Defaults) Wake() { d.change.Notify() }

// Write implements [Log]. It passes a batch of one fact without expectations to WriteFact. A batch with
// neither facts nor expectations succeeds. Any other batch is errors.ErrUnsupported.
func (d *Defaults) Write(ctx context.Context, batches ...Batch) []Written {
	all := make([]Written, len(batches))
	for i, b := range batches {
		switch {
		case len(b.Expect) > 0 || len(b.Facts) > 1:
			all[i].Err = fmt.Errorf("backend: write a batch of %d facts with %d expectations: %T writes single facts only: %w",
				len(b.Facts), len(b.Expect), d.b, errors.ErrUnsupported)
		case len(b.Facts) == 0:
			all[i].Err = ctx.Err()
		default:
			f, err := d.b.WriteFact(ctx, b.Facts[0])
			if all[i].Err = err; err == nil {
				all[i].Facts = []Fact{f}
			}
		}
	}
	d.Wake()
	return all
}

// Follow implements [Log]: it calls Replay again and again.
func (d *Defaults) Follow(ctx context.Context, r Range) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		r, wait, begun := r, minPoll/2, false
		told, untold := map[string]Horizon{}, map[string]Horizon{}
		for {
			changed := d.change.Changed()
			moved := false
			for p, err := range d.b.Replay(ctx, r) {
				if err != nil {
					yield(Page{}, err)
					return
				}
				if news := r.News(p.Horizons, told); news != nil { // each Replay yields all horizons
					maps.Copy(told, news)
					maps.Copy(untold, news)
				}
				if begun && len(p.Facts) == 0 && p.Through.Seq <= r.After.Seq {
					continue
				}
				moved = moved || p.Through.Seq > r.After.Seq
				r.After, begun = p.Through, true
				if p.Horizons = nil; len(untold) > 0 {
					p.Horizons, untold = untold, map[string]Horizon{}
				}
				if !yield(p, nil) {
					return
				}
			}
			if r.Through != 0 && r.After.Seq >= r.Through {
				return
			}
			if wait = min(2*wait, d.poll); moved {
				wait = min(minPoll, d.poll)
			}
			if err := d.wait(ctx, changed, wait); err != nil {
				yield(Page{}, fmt.Errorf("backend: follow after seq %d: %w", r.After.Seq, err))
				return
			}
		}
	}
}

// wait waits for a change, and for no longer than poll, unless poll is 0.
func (d *Defaults) wait(ctx context.Context, changed <-chan struct{}, poll time.Duration) error {
	var tick <-chan time.Time
	if poll > 0 {
		timer := time.NewTimer(poll)
		defer timer.Stop()
		tick = timer.C
	}
	select {
	case <-changed:
	case <-tick:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Prune implements [Log]: errors.ErrUnsupported.
func (d *Defaults) Prune(context.Context, iter.Seq[uint64], Horizon) (PruneReport, error) {
	return PruneReport{}, fmt.Errorf("backend: prune: %T removes no facts: %w", d.b, errors.ErrUnsupported)
}

// Stats implements [Log]: the first call replays the whole log and counts its facts; later calls count the facts added
// since. Bytes is about the size of the facts as JSON.
func (d *Defaults) Stats(ctx context.Context) (Stats, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p, err := range d.b.Replay(ctx, Range{After: Cursor{d.stats.Log, d.stats.LastSeq}}) {
		if err != nil {
			return Stats{}, fmt.Errorf("backend: stats: %w", err)
		}
		for i := range p.Facts {
			f := &p.Facts[i]
			if d.stats.FirstSeq == 0 {
				d.stats.FirstSeq = f.Seq
			}
			d.stats.Facts++
			if f.TransactionTime.After(d.stats.LastTime) {
				d.stats.LastTime = f.TransactionTime
			}
			d.stats.Bytes += uint64(len(f.Store) + len(f.Key) + len(f.Value) + len(f.Producer) + len(f.Derivation) + factOverhead)
		}
		d.stats.LastSeq, d.stats.Log = p.Through.Seq, p.Through.Log
	}
	return d.stats, nil
}

// Features implements [Log]: it has only Poll.
func (d *Defaults) Features() Features { return Features{Poll: d.poll} }
