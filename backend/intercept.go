// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"iter"
)

// Hooks are called between a log and its caller, see [Intercept]. A hook gets the caller's arguments and next, which calls
// the log. It may change, refuse, repeat or observe the call. Hooks may be called concurrently. Without a hook, the log is
// called directly.
type Hooks struct {
	// Write is called for every write, WriteFact included.
	Write func(ctx context.Context, batches []Batch, next func(context.Context, ...Batch) []Written) []Written

	// Read is called for every loop over the log, Replay and Follow alike, when the method is called.
	Read func(ctx context.Context, r Range, next func(context.Context, Range) iter.Seq2[Page, error]) iter.Seq2[Page, error]

	// Prune is called for Prune.
	Prune func(ctx context.Context, seqs iter.Seq[uint64], h Horizon, next func(context.Context, iter.Seq[uint64], Horizon) (PruneReport, error)) (PruneReport, error)

	// Stats is called for Stats.
	Stats func(ctx context.Context, next func(context.Context) (Stats, error)) (Stats, error)

	// Features returns the features of the log, given the features of the log beneath.
	Features func(Features) Features
}

// Intercept returns l with hooks before its methods. Use it for decorators: metrics, a read-only log, a selection of
// stores, a failing test double. The result has only the methods of Log, so that no call bypasses a hook, and it keeps
// compiling when Log gets more methods. Closing it closes l.
func Intercept(l Log, h Hooks) Log { return &intercepted{log: l, hooks: h} }

type intercepted struct {
	log   Log
	hooks Hooks
}

func (i *intercepted) WriteFact(ctx context.Context, f Fact) (Fact, error) {
	if i.hooks.Write == nil {
		return i.log.WriteFact(ctx, f)
	}
	all := i.Write(ctx, Batch{Facts: []Fact{f}})
	if len(all) != 1 || all[0].Err == nil && len(all[0].Facts) != 1 {
		return Fact{}, fmt.Errorf("backend: write fact %q: the hook did not return one verdict on one fact", f.ID)
	}
	if err := all[0].Err; err != nil {
		return Fact{}, err
	}
	return all[0].Facts[0], nil
}

func (i *intercepted) Write(ctx context.Context, batches ...Batch) []Written {
	if i.hooks.Write == nil {
		return i.log.Write(ctx, batches...)
	}
	return i.hooks.Write(ctx, batches, i.log.Write)
}

func (i *intercepted) Replay(ctx context.Context, r Range) iter.Seq2[Page, error] {
	return i.read(ctx, r, i.log.Replay)
}

func (i *intercepted) Follow(ctx context.Context, r Range) iter.Seq2[Page, error] {
	return i.read(ctx, r, i.log.Follow)
}

func (i *intercepted) read(ctx context.Context, r Range, next func(context.Context, Range) iter.Seq2[Page, error]) iter.Seq2[Page, error] {
	if i.hooks.Read == nil {
		return next(ctx, r)
	}
	r.Known = nil // the hook sees all facts, and may give them other seqs
	return i.hooks.Read(ctx, r, next)
}

func (i *intercepted) WriteSnapshot(ctx context.Context, through uint64) error {
	return i.log.WriteSnapshot(ctx, through)
}

func (i *intercepted) Prune(ctx context.Context, seqs iter.Seq[uint64], h Horizon) (PruneReport, error) {
	if i.hooks.Prune == nil {
		return i.log.Prune(ctx, seqs, h)
	}
	return i.hooks.Prune(ctx, seqs, h, i.log.Prune)
}

func (i *intercepted) Stats(ctx context.Context) (Stats, error) {
	if i.hooks.Stats == nil {
		return i.log.Stats(ctx)
	}
	return i.hooks.Stats(ctx, i.log.Stats)
}

func (i *intercepted) Features() Features {
	f := i.log.Features()
	if i.hooks.Features == nil {
		return f
	}
	return i.hooks.Features(f)
}

func (i *intercepted) Close() error { return i.log.Close() }
