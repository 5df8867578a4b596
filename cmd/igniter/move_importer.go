package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/schollz/progressbar/v3"

	"github.com/igniter-store/igniter/backend"
)

// Facts are written in batches, since some logs sync each write.
const (
	batchFacts = 500
	batchBytes = 1 << 20
)

// remembered is how many IDs every log remembers at least. The facts of a larger log are read first.
const remembered = 1_000_000

// An importer writes facts from elsewhere to a log, each once.
type importer struct {
	to    backend.Log
	last  uint64                // the highest seq that the log is known to have given
	seen  map[[16]byte][16]byte // by ID: what the fact says
	facts []backend.Fact
	size  int

	New, Known uint64 // facts that were written, and facts that the log held already
}

// importFacts writes facts to the log that the settings name, and finishes the bar. Errors begin with what at returns.
func (a *app) importFacts(ctx context.Context, bar *progressbar.ProgressBar, at func() string, facts iter.Seq2[backend.Fact, error]) (i *importer, err error) {
	a.create = true
	err = a.withLog(ctx, func(log backend.Log) error {
		if i, err = newImporter(ctx, log); err != nil {
			return err
		}
		err := i.addAll(ctx, facts)
		_ = bar.Finish()
		if err != nil {
			return fmt.Errorf("%s, with %d facts written and %d there already: %w; run it again: no fact is written twice", at(), i.New, i.Known, err)
		}
		return nil
	})
	return i, err
}

// counted yields facts and adds them to a bar.
func counted(facts iter.Seq2[backend.Fact, error], bar *progressbar.ProgressBar) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range facts {
			_ = bar.Add(1)
			if !yield(f, err) {
				return
			}
		}
	}
}

func newImporter(ctx context.Context, to backend.Log) (*importer, error) {
	stats, err := to.Stats(ctx)
	if err != nil {
		return nil, err
	}
	i := &importer{to: to, last: stats.LastSeq, seen: map[[16]byte][16]byte{}}
	if to.Features().AllIDs || stats.Facts < remembered/2 { // the log remembers its own facts, and seen has the imported ones
		return i, nil
	}
	for f, err := range backend.Facts(to.Replay(ctx, backend.Range{})) {
		if err != nil {
			return nil, fmt.Errorf("read what the log holds: %w", err)
		}
		i.seen[digest(f.ID)] = digest(f.Store, f.Key, f.ValueHash)
	}
	return i, nil
}

func digest(parts ...string) (sum [16]byte) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(p)))) // never fails
		h.Write([]byte(p))
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// addAll takes in facts and writes them all.
func (i *importer) addAll(ctx context.Context, facts iter.Seq2[backend.Fact, error]) error {
	for f, err := range facts {
		if err == nil {
			err = i.add(ctx, f)
		}
		if err != nil {
			return err
		}
	}
	return i.flush(ctx)
}

// add takes in a valid fact with its hash, and writes if there are enough facts.
func (i *importer) add(ctx context.Context, f backend.Fact) error {
	id, says := digest(f.ID), digest(f.Store, f.Key, f.ValueHash)
	if said, ok := i.seen[id]; ok {
		if said != says {
			return fmt.Errorf("%w: %q, here of key %q in store %q", backend.ErrIDReused, f.ID, f.Key, f.Store)
		}
		i.Known++
		return nil
	}
	i.seen[id] = says
	i.facts = append(i.facts, f)
	i.size += len(f.Value) + len(f.Producer) + len(f.Derivation) + 512
	if len(i.facts) < batchFacts && i.size < batchBytes {
		return nil
	}
	return i.flush(ctx)
}

// flush writes the facts that were taken in, in their order. It writes no fact after one that is refused, since when the
// import is run again, a later fact of the same key would come before it.
func (i *importer) flush(ctx context.Context) error {
	facts := i.facts
	i.facts, i.size = nil, 0
	if len(facts) == 0 {
		return nil
	}
	err := i.write(ctx, facts)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, backend.ErrIDReused) || errors.Is(err, backend.ErrTooLarge) {
		for n := range facts { // one by one, so that the error is about one fact
			if err = i.write(ctx, facts[n:n+1]); err != nil {
				return fmt.Errorf("fact %q, key %q in store %q: %w", facts[n].ID, facts[n].Key, facts[n].Store, err)
			}
		}
	}
	return err
}

func (i *importer) write(ctx context.Context, facts []backend.Fact) error {
	w := i.to.Write(ctx, backend.Batch{Facts: facts})[0]
	for n := range w.Facts {
		i.last = max(i.last, w.Facts[n].Seq)
		if w.New(&w.Facts[n]) {
			i.New++
		} else {
			i.Known++
		}
	}
	return w.Err
}
