// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/schollz/progressbar/v3"

	"github.com/igniter-store/igniter/backend"
)

// Facts are written in batches, since some logs sync each write.
const (
	batchFacts = 500
	batchBytes = 1 << 20
)

// An importer writes facts from another log or a file to a log, each once.
type importer struct {
	to     backend.Log
	limit  int      // about how many bytes to write at once
	stores []string // the stores that can be read; nil: all
	last   uint64   // the highest seq of the log so far
	facts  []backend.Fact
	size   int               // of facts, an upper bound
	at     map[[2]string]int // by store and ID, the index in facts

	// seen has the facts of the log: by a digest of store and ID, a digest of key and hash. nil: the log remembers all
	// IDs.
	seen map[[16]byte][16]byte

	New, Known uint64 // how many facts were written; how many the log already held, or came twice
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
	features := to.Features()
	i := &importer{to: to, limit: batchBytes, stores: features.Stores, last: stats.LastSeq, at: map[[2]string]int{}}
	if features.MaxFrame > 0 {
		i.limit = min(i.limit, features.MaxFrame)
	}
	if features.AllIDs {
		return i, nil
	}
	i.seen = map[[16]byte][16]byte{}
	for f, err := range backend.Facts(to.Replay(ctx, backend.Range{})) {
		if err != nil {
			return nil, fmt.Errorf("read what the log holds: %w", err)
		}
		i.seen[digest(f.Store, f.ID)] = digest(f.Key, f.ValueHash)
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

// addAll adds facts and writes all of them.
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

// add queues a valid fact with its hash. It first writes the queued facts if there are enough.
func (i *importer) add(ctx context.Context, f backend.Fact) error {
	if i.seen != nil {
		if known, err := i.look(&f); known || err != nil {
			return err
		}
	}
	name := [2]string{f.Store, f.ID}
	if n, ok := i.at[name]; ok {
		if was := &i.facts[n]; was.Key != f.Key || was.ValueHash != f.ValueHash {
			return reused(&f)
		}
		i.Known++
		return nil
	}
	size := sizeOf(&f)
	if len(i.facts) == batchFacts || i.size+size > i.limit {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	i.at[name] = len(i.facts)
	i.facts = append(i.facts, f)
	i.size += size
	return nil
}

func reused(f *backend.Fact) error {
	return fmt.Errorf("%w: %q, here of key %q in store %q", backend.ErrIDReused, f.ID, f.Key, f.Store)
}

// sizeOf returns an upper bound for the bytes that a fact takes as JSON.
func sizeOf(f *backend.Fact) int {
	const escaped = len(`\u0000`)
	return len(f.Value) + len(f.Producer) + len(f.Derivation) + escaped*(len(f.ID)+len(f.Store)+len(f.Key)+len(f.ValueHash)+len(f.Causation)+len(f.By)) + 512
}

// look reports whether a log that may not remember the fact's ID already has the fact.
func (i *importer) look(f *backend.Fact) (known bool, err error) {
	if i.stores != nil && !slices.Contains(i.stores, f.Store) {
		return false, fmt.Errorf("it is unknown whether the log has fact %q of store %q: the log does not remember all IDs, and the token may not read the store: "+
			"use a token that may read it: %w", f.ID, f.Store, backend.ErrForbidden)
	}
	id, says := digest(f.Store, f.ID), digest(f.Key, f.ValueHash)
	said, known := i.seen[id]
	switch {
	case !known:
		i.seen[id] = says
	case said != says:
		return true, reused(f)
	default:
		i.Known++
	}
	return known, nil
}

// flush writes the queued facts, in their order. After a refused fact it writes no other: if the import were run again,
// a later fact of the same key would come before the refused one.
func (i *importer) flush(ctx context.Context) error {
	facts := i.facts
	i.facts, i.size = nil, 0
	clear(i.at)
	if len(facts) == 0 {
		return nil
	}
	err := i.write(ctx, facts)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, backend.ErrIDReused) || errors.Is(err, backend.ErrTooLarge) {
		for n := range facts { // one by one, so that the error names one fact
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
		// Only the seq tells: the log calls a batch known if the answer to a first attempt was lost.
		if seq := w.Facts[n].Seq; seq > i.last {
			i.last = seq
			i.New++
		} else {
			i.Known++
		}
	}
	return w.Err
}
