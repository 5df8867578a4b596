package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// Facts are written in batches, so that a log which syncs each write does not take a night.
const (
	importFacts = 500
	importBytes = 1 << 20
)

// remembered is how many IDs every log remembers at least. What a larger log holds is looked up first.
const remembered = 1_000_000

// An importer writes facts from elsewhere to a log, each once.
type importer struct {
	to    backend.Log
	last  uint64                // the highest seq that the log is known to have given
	seen  map[[16]byte][16]byte // by ID: what the fact says
	facts []backend.Fact
	size  int

	New, Known uint64 // facts that were written, and facts that the log held already
	Foreign    uint64 // facts with hashes that are not the hashes of their values
}

func newImporter(ctx context.Context, to backend.Log) (*importer, error) {
	stats, err := to.Stats(ctx)
	if err != nil {
		return nil, err
	}
	i := &importer{to: to, last: stats.LastSeq, seen: map[[16]byte][16]byte{}}
	if to.Features().AllIDs || stats.Facts < remembered/2 { // it remembers its own, and seen has those that are imported
		return i, nil
	}
	for f, err := range backend.Facts(to.Replay(ctx, backend.Range{})) {
		if err != nil {
			return nil, fmt.Errorf("read what the log holds: %w", err)
		}
		i.note(&f)
	}
	return i, nil
}

func short(parts ...string) (sum [16]byte) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(p)))) // never fails
		h.Write([]byte(p))
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

func (i *importer) note(f *backend.Fact) {
	i.seen[short(f.ID)] = short(f.Store, f.Key, f.ValueHash)
}

// add takes in a fact, which must be valid and have its hash, and writes when there are enough.
func (i *importer) add(ctx context.Context, f backend.Fact) error {
	if said, ok := i.seen[short(f.ID)]; ok {
		if said != short(f.Store, f.Key, f.ValueHash) {
			return fmt.Errorf("%w: %q, here of key %q in store %q", backend.ErrIDReused, f.ID, f.Key, f.Store)
		}
		i.Known++
		return nil
	}
	i.note(&f)
	i.facts = append(i.facts, f)
	i.size += len(f.Value) + len(f.Producer) + len(f.Derivation) + 512
	if len(i.facts) < importFacts && i.size < importBytes {
		return nil
	}
	return i.flush(ctx)
}

// flush writes the facts that were taken in, in their order: no fact is written after one that is refused, since a
// later fact of its key would come before it once the import is run again.
func (i *importer) flush(ctx context.Context) error {
	facts := i.facts
	i.facts, i.size = nil, 0
	if len(facts) == 0 {
		return nil
	}
	w := i.to.Write(ctx, backend.Batch{Facts: facts})[0]
	switch {
	case w.Err == nil:
		for n := range w.Facts {
			i.count(&w, &w.Facts[n])
		}
		return nil
	case errors.Is(w.Err, errors.ErrUnsupported), errors.Is(w.Err, backend.ErrIDReused), errors.Is(w.Err, backend.ErrTooLarge):
		// One by one, so that the error is of one fact.
	default:
		return w.Err
	}
	for n := range facts {
		w := i.to.Write(ctx, backend.Batch{Facts: facts[n : n+1]})[0]
		if w.Err != nil {
			return fmt.Errorf("fact %q, key %q in store %q: %w", facts[n].ID, facts[n].Key, facts[n].Store, w.Err)
		}
		i.count(&w, &w.Facts[0])
	}
	return nil
}

func (i *importer) count(w *backend.Written, f *backend.Fact) {
	i.last = max(i.last, f.Seq)
	if w.New(f) {
		i.New++
	} else {
		i.Known++
	}
}
