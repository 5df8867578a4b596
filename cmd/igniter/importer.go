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
	importBatch      = 500
	importBatchBytes = 1 << 20
)

// remembered is how many IDs every log remembers at least. What a larger log holds is looked up first.
const remembered = 1_000_000

// An importer writes facts from elsewhere to a log, each once.
type importer struct {
	to    backend.Backend
	last  uint64                // the highest seq that the log is known to have given
	seen  map[[16]byte][16]byte // by ID: what the fact says
	facts []backend.Fact
	size  int

	New, Known uint64 // facts that were written, and that were there already
	Foreign    uint64 // facts with hashes that are not those of their values
}

func newImporter(ctx context.Context, to backend.Backend) (*importer, error) {
	stats, err := backend.StatsOf(ctx, to)
	if err != nil {
		return nil, err
	}
	i := &importer{to: to, last: stats.LastSeq, seen: map[[16]byte][16]byte{}}
	if stats.Facts < remembered/2 { // it remembers all it has, and all that comes until that is in seen
		return i, nil
	}
	for f, err := range to.Replay(ctx, 0) {
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
	if len(i.facts) < importBatch && i.size < importBatchBytes {
		return nil
	}
	return i.flush(ctx)
}

// flush writes what was taken in.
func (i *importer) flush(ctx context.Context) error {
	facts := i.facts
	i.facts, i.size = nil, 0
	if len(facts) == 0 {
		return nil
	}
	held, err := backend.WriteBatch(ctx, i.to, backend.Batch{Facts: facts})
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, backend.ErrIDReused) || errors.Is(err, backend.ErrTooLarge) {
		// One by one, so that the error is of one fact, and of no other.
		for n := range facts {
			f, err := i.to.WriteFact(ctx, facts[n])
			if err != nil {
				return fmt.Errorf("fact %q, key %q in store %q: %w", facts[n].ID, facts[n].Key, facts[n].Store, err)
			}
			i.count(f.Seq)
		}
		return nil
	}
	if err != nil {
		return err
	}
	for n := range held {
		i.count(held[n].Seq)
	}
	return nil
}

func (i *importer) count(seq uint64) {
	if seq > i.last {
		i.last = seq
		i.New++
	} else {
		i.Known++
	}
}
