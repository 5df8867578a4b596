package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// WriteSnapshot implements backend.Backend. Frames in RAM are what replays fastest, so it makes
// them take no more room than they need: chunks that are not full become full ones.
func (l *Log) WriteSnapshot(ctx context.Context, through uint64) error {
	l.compacting.Lock()
	defer l.compacting.Unlock()
	chunks, err := l.seal(ctx)
	if err != nil {
		return fmt.Errorf("memory: write snapshot: %w", err)
	}
	var tidy, loose []*chunk
	for i, c := range chunks {
		if c.loose() && (through == 0 || c.last <= through) {
			loose = append(loose, c)
			if i < len(chunks)-1 {
				continue
			}
			c = nil
		}
		tidy = append(tidy, merge(loose, func(uint64) bool { return false })...)
		if loose = nil; c != nil {
			tidy = append(tidy, c)
		}
	}
	if err := l.replace(chunks, tidy, nil); err != nil {
		return fmt.Errorf("memory: write snapshot: %w", err)
	}
	return nil
}

// Prune implements backend.Pruner.
func (l *Log) Prune(ctx context.Context, seqs iter.Seq[uint64]) (backend.PruneReport, error) {
	wanted := map[uint64]struct{}{}
	for seq := range seqs {
		wanted[seq] = struct{}{}
	}
	l.compacting.Lock()
	defer l.compacting.Unlock()
	chunks, err := l.seal(ctx)
	if err != nil {
		return backend.PruneReport{}, fmt.Errorf("memory: prune: %w", err)
	}
	gone := func(seq uint64) bool { _, ok := wanted[seq]; return ok }
	var pruned []backend.Fact
	var rest []*chunk
	for _, c := range chunks {
		if err := ctx.Err(); err != nil {
			return backend.PruneReport{}, fmt.Errorf("memory: prune: nothing is pruned: %w", err)
		}
		before := len(pruned)
		for i := range c.offsets {
			if !gone(c.seq(i)) {
				continue
			}
			f, err := wire.ParseFact(c.body(i))
			if err != nil {
				return backend.PruneReport{}, fmt.Errorf("memory: prune seq %d: %w", c.seq(i), err)
			}
			pruned = append(pruned, f)
		}
		if len(pruned) == before {
			rest = append(rest, c)
		} else {
			rest = append(rest, merge([]*chunk{c}, gone)...)
		}
	}
	latest, err := l.successions(rest, pruned)
	if err == nil {
		err = l.replace(chunks, rest, latest)
	}
	if err != nil {
		return backend.PruneReport{}, fmt.Errorf("memory: prune: %w", err)
	}
	return backend.PruneReport{Pruned: uint64(len(pruned)), Missing: uint64(len(wanted) - len(pruned))}, nil
}

// A succession is a key's latest fact, which is pruned, and the latest one left, if any.
type succession struct {
	gone backend.Fact
	left *backend.Fact
}

// successions returns those of the pruned facts that are the latest of their keys, each with the
// latest of its key in the rest of the log.
func (l *Log) successions(rest []*chunk, pruned []backend.Fact) ([]succession, error) {
	type name struct{ store, key string }
	var all []succession
	places := map[name]int{}
	l.mu.Lock()
	for _, f := range pruned {
		if !l.closed && l.seq.Latest(f.Store, f.Key) == f.Seq {
			places[name{f.Store, f.Key}] = len(all)
			all = append(all, succession{gone: f})
		}
	}
	l.mu.Unlock()
	if len(all) == 0 {
		return nil, nil
	}
	for _, c := range rest {
		for i := range c.offsets {
			f, err := wire.ParseFact(c.body(i))
			if err != nil {
				return nil, err
			}
			if place, ok := places[name{f.Store, f.Key}]; ok {
				all[place].left = &f
			}
		}
	}
	return all, nil
}

// seal makes the chunks that the log has now its readers' only, and returns them. The caller holds
// compacting.
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

// replace puts chunks in the place of old, which are the log's first ones, and makes the successors
// the latest facts of their keys. The caller holds compacting.
func (l *Log) replace(old, chunks []*chunk, latest []succession) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return backend.ErrClosed
	}
	for _, c := range old {
		l.facts -= uint64(len(c.offsets))
		l.bytes -= uint64(len(c.frames))
	}
	for _, c := range chunks {
		l.facts += uint64(len(c.offsets))
		l.bytes += uint64(len(c.frames))
	}
	l.chunks = slices.Concat(chunks, l.chunks[len(old):])
	for _, s := range latest {
		l.seq.Pruned(s.gone.Store, s.gone.Key, s.gone.Seq, s.left)
	}
	return nil
}
