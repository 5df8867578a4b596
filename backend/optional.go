package backend

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// A BatchWriter writes several facts at once. It is optional, and may answer
// errors.ErrUnsupported; the function [WriteBatch] uses it where it is there.
type BatchWriter interface {
	// WriteBatch writes all the facts of b, in consecutive places, or none; and none unless every
	// Expect holds at that moment. A failed one is a *ConflictError that names the key and its
	// latest fact. It returns the facts as the log holds them, in b's order.
	//
	// The rules of WriteFact hold for each fact, as if they were written one after the other: a
	// later one for the same key follows an earlier one. Facts that the log holds already (by ID)
	// stay where they are; where that is true of all, the batch was written before, and its
	// expectations are not checked again. An empty batch only checks them.
	//
	// The batch's frame, like a fact's, must fit the backend's limit (ErrTooLarge). With a ctx that
	// is done before the call it writes nothing and returns ctx's error.
	WriteBatch(ctx context.Context, b Batch) ([]Fact, error)
}

// A Follower yields facts as they come. It is optional, and may answer errors.ErrUnsupported, then
// before it looks at ctx, so that who asks with a ctx that is done learns it too. The function
// [Follow] uses it where it is there.
type Follower interface {
	// Follow yields the facts after seq after, then each new one as it is acknowledged, in order,
	// with no gap and no repeat. It ends with ctx's error once ctx is done, with ErrClosed once
	// the backend is closed, and survives a lost connection by resuming after the last fact it
	// yielded. With stores, it yields only theirs. A slow reader costs the writer nothing: it is
	// served from the log, not from a queue. The rules of Replay for pairs and bodies hold.
	Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[Fact, error]
}

// A StoreReplayer replays the facts of some stores without carrying the others. It is optional; the
// function [ReplayStores] uses it where it is there, and does without where it is not.
type StoreReplayer interface {
	// ReplayStores yields the facts of the stores, at least one, after seq after. Other than that, the
	// rules of Replay hold.
	ReplayStores(ctx context.Context, after uint64, stores ...string) iter.Seq2[Fact, error]
}

// A Pruner removes facts. It is optional, and may answer errors.ErrUnsupported; the function
// [Prune] uses it where it is there.
type Pruner interface {
	// Prune removes the facts at the given seqs for good, durably, leaving the others' seqs as
	// they are. Seqs may come in any order and more than once; those that hold no fact are
	// counted as missing. The log forgets the pruned facts' IDs, a key's latest fact becomes the
	// latest one left, and a key with none left is as if it was never written. Seqs of pruned
	// facts are not given again. A loop that is under way may still yield them. After an error a
	// part of the facts may be gone; pruning the same seqs again is safe. With a ctx that is done
	// before the call it removes nothing and returns ctx's error.
	Prune(ctx context.Context, seqs iter.Seq[uint64]) (PruneReport, error)
}

// A Stater says what the log holds. It is optional, and may answer errors.ErrUnsupported; the
// function [StatsOf] uses it where it is there.
type Stater interface {
	// Stats describes the log at one moment between the call and its return.
	Stats(ctx context.Context) (Stats, error)
}

// WriteBatch writes batch to b, or reports errors.ErrUnsupported where b is no [BatchWriter].
func WriteBatch(ctx context.Context, b Backend, batch Batch) ([]Fact, error) {
	if w, ok := b.(BatchWriter); ok {
		return w.WriteBatch(ctx, batch)
	}
	return nil, unsupported(b, "WriteBatch")
}

// Follow follows b, or yields errors.ErrUnsupported where b is no [Follower].
func Follow(ctx context.Context, b Backend, after uint64, stores ...string) iter.Seq2[Fact, error] {
	if f, ok := b.(Follower); ok {
		return f.Follow(ctx, after, stores...)
	}
	return func(yield func(Fact, error) bool) { yield(Fact{}, unsupported(b, "Follow")) }
}

// ReplayStores replays the facts of some stores of b, none of them where none are given.
func ReplayStores(ctx context.Context, b Backend, after uint64, stores ...string) iter.Seq2[Fact, error] {
	if len(stores) == 0 {
		return func(func(Fact, error) bool) {}
	}
	if r, ok := b.(StoreReplayer); ok {
		return r.ReplayStores(ctx, after, stores...)
	}
	stores = slices.Clone(stores)
	return func(yield func(Fact, error) bool) {
		for f, err := range b.Replay(ctx, after) {
			if (err != nil || slices.Contains(stores, f.Store)) && !yield(f, err) {
				return
			}
		}
	}
}

// Prune prunes b, or reports errors.ErrUnsupported where b is no [Pruner].
func Prune(ctx context.Context, b Backend, seqs iter.Seq[uint64]) (PruneReport, error) {
	if p, ok := b.(Pruner); ok {
		return p.Prune(ctx, seqs)
	}
	return PruneReport{}, unsupported(b, "Prune")
}

// StatsOf returns b's Stats, or reports errors.ErrUnsupported where b is no [Stater].
func StatsOf(ctx context.Context, b Backend) (Stats, error) {
	if s, ok := b.(Stater); ok {
		return s.Stats(ctx)
	}
	return Stats{}, unsupported(b, "Stats")
}

func unsupported(b Backend, method string) error {
	return fmt.Errorf("backend: %T has no %s: %w", b, method, errors.ErrUnsupported)
}
