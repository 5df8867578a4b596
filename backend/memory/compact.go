// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// WriteSnapshot implements backend.Backend. Frames in RAM already replay as fast as possible, so it only
// saves memory: it merges chunks that are not full into full ones.
func (l *Log) WriteSnapshot(ctx context.Context, through uint64) error {
	l.compacting.Lock()
	defer l.compacting.Unlock()
	chunks, err := l.seal(ctx)
	if err != nil {
		return fmt.Errorf("memory: write snapshot: %w", err)
	}
	var tidy []*chunk
	for i := 0; i < len(chunks); i++ {
		from := i
		for i < len(chunks) && chunks[i].loose() && (through == 0 || chunks[i].last <= through) {
			i++
		}
		packed, _, err := repack(chunks[from:i], nil)
		if err != nil {
			return fmt.Errorf("memory: write snapshot: %w", err)
		}
		tidy = append(tidy, packed...)
		if i < len(chunks) {
			tidy = append(tidy, chunks[i])
		}
	}
	if err := l.replace(chunks, tidy, func() {}); err != nil {
		return fmt.Errorf("memory: write snapshot: %w", err)
	}
	return nil
}

// Prune implements backend.Log.
func (l *Log) Prune(ctx context.Context, seqs iter.Seq[uint64], h backend.Horizon) (backend.PruneReport, error) {
	if err := ctx.Err(); err != nil {
		return backend.PruneReport{}, fmt.Errorf("memory: prune: nothing is removed: %w", err)
	}
	wanted := seqrange.Collect(seqs)
	l.compacting.Lock()
	defer l.compacting.Unlock()
	pruned, err := l.prune(ctx, wanted, h)
	if err != nil {
		return backend.PruneReport{}, fmt.Errorf("memory: prune: nothing is removed: %w", err)
	}
	return backend.PruneReport{Pruned: uint64(pruned), Missing: wanted.Len() - uint64(pruned)}, nil
}

// prune removes the facts at the given seqs, and returns their number. The caller holds compacting.
func (l *Log) prune(ctx context.Context, seqs seqrange.Set, h backend.Horizon) (int, error) {
	chunks, err := l.seal(ctx)
	if err != nil {
		return 0, err
	}
	var pruned []backend.Fact
	var rest []*chunk
	for _, c := range chunks {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if !seqs.Overlaps(c.first, c.last) {
			rest = append(rest, c)
			continue
		}
		kept, gone, err := repack([]*chunk{c}, seqs)
		if err != nil {
			return 0, fmt.Errorf("seqs %d to %d: %w", c.first, c.last, err)
		}
		rest, pruned = append(rest, kept...), append(pruned, gone...)
	}
	latest, err := l.replacements(rest, pruned)
	if err != nil {
		return 0, err
	}
	if len(pruned) == 0 {
		return 0, nil
	}
	err = l.replace(chunks, rest, func() {
		h := h.Within(l.last(), l.seq.Time())
		horizons := maps.Clone(l.horizons)
		if horizons == nil {
			horizons = map[string]backend.Horizon{}
		}
		for _, f := range pruned {
			horizons[f.Store] = horizons[f.Store].Later(h)
		}
		l.horizons = horizons
		l.prunings++
		for _, r := range latest {
			l.seq.Pruned(r.gone.Store, r.gone.Key, r.gone.Seq, &r.left)
		}
	})
	if err == nil {
		l.forget(seqs.Through(pruned[len(pruned)-1].Seq))
	}
	return len(pruned), err
}

// forget drops the IDs of pruned facts. The caller holds compacting.
func (l *Log) forget(seqs seqrange.Set) {
	for step := range sequencer.ForgetSteps {
		l.mu.Lock()
		if !l.closed {
			l.seq.Forget(step, seqs.Has)
		}
		l.mu.Unlock()
	}
}

// A replacement is a key's latest fact, which is pruned, and the latest fact left, which is zero if none exists.
type replacement struct{ gone, left backend.Fact }

// replacements returns the pruned facts that are the latest of their keys, each with the latest fact of
// its key in the rest of the log.
func (l *Log) replacements(rest []*chunk, pruned []backend.Fact) ([]replacement, error) {
	type name struct{ store, key string }
	var all []replacement
	places := map[name]int{}
	l.mu.Lock()
	for _, f := range pruned {
		if !l.closed && l.seq.Latest(f.Store, f.Key) == f.Seq {
			places[name{f.Store, f.Key}] = len(all)
			all = append(all, replacement{gone: f})
		}
	}
	l.mu.Unlock()
	if len(all) == 0 {
		return nil, nil
	}
	var facts []backend.Fact
	for _, c := range rest {
		for i := range c.offsets {
			var err error
			if facts, err = wire.ParseGroup(facts[:0], c.body(i)); err != nil {
				return nil, err
			}
			for _, f := range facts {
				if place, ok := places[name{f.Store, f.Key}]; ok {
					all[place].left = f
				}
			}
		}
	}
	return all, nil
}

// seal makes the log's chunks take no more frames, and returns them. The caller holds compacting.
func (l *Log) seal(ctx context.Context) ([]*chunk, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, backend.ErrClosed
	}
	l.sealed = true
	return slices.Clone(l.chunks), nil
}

// replace replaces old, the first chunks of the log, by chunks, and calls tell, both with mu held. The caller holds
// compacting.
func (l *Log) replace(old, chunks []*chunk, tell func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return backend.ErrClosed
	}
	l.chunks = slices.Concat(chunks, l.chunks[len(old):])
	l.found = nil
	tell()
	return nil
}
