// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// A Log is a backend.Log in a directory that several processes may write. Its methods may be called
// concurrently.
type Log struct {
	*backend.Defaults // Follow, and a Prune that refuses
	dir               dir

	mu     sync.Mutex // guards the fields below, and is held while a batch is written
	seq    *sequencer.Sequencer
	firsts []uint64       // the first seq of each batch, in order; no seq is missing between them
	found  []backend.Fact // the batch that fact looked into last
	failed error          // not nil: the contents of the directory are unknown, so nothing is written
	closed bool
}

func init() {
	backend.Register("batchdir", func(_ context.Context, c backend.Config) (backend.Backend, error) {
		if err := c.Only("batchdir", "path"); err != nil {
			return nil, err
		}
		return Open(c.Path)
	})
}

// Open opens the log in a directory, and makes the directory if it does not exist.
func Open(path string) (*Log, error) {
	l := &Log{dir: dir(path)}
	l.Defaults = backend.DefaultsOf(l, backend.DefaultPoll)
	l.seq = sequencer.New(l.fact)
	names, err := l.dir.open()
	for i := 0; err == nil && i < len(names); i++ {
		if next := l.seq.Next(); names[i] != l.dir.name(next) {
			err = &backend.CorruptError{Path: l.dir.path(next), Reason: "the file is missing, and " + names[i] + " comes after it"}
		} else {
			err = l.load()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("batchdir: open log %s: %w", path, err)
	}
	return l, nil
}

// WriteFact implements backend.Backend.
func (l *Log) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	defer l.Wake()
	f, err := sequencer.Prepare(f, maxFrame)
	w := backend.Written{Facts: []backend.Fact{f}}
	if err == nil {
		w, err = l.write(ctx, w.Facts, nil)
	}
	if err != nil {
		return backend.Fact{}, fmt.Errorf("batchdir: write fact %q to %s: %w", f.ID, l.dir, err)
	}
	return w.Facts[0], nil
}

// Write implements backend.Log.
func (l *Log) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	defer l.Wake()
	all := make([]backend.Written, len(batches))
	for i, b := range batches {
		facts, err := sequencer.PrepareBatch(b, maxFrame)
		if err == nil {
			all[i], err = l.write(ctx, facts, b.Expect)
		}
		if err != nil {
			all[i] = backend.Written{Err: fmt.Errorf("batchdir: write batch of %d facts to %s: %w", len(b.Facts), l.dir, err)}
		}
	}
	return all
}

// write numbers and keeps one batch.
func (l *Log) write(ctx context.Context, given []backend.Fact, expect []backend.Expect) (backend.Written, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.refresh(ctx); err != nil {
			return backend.Written{}, err
		}
		if l.failed != nil {
			return backend.Written{}, l.failed
		}
		first := l.seq.Next()
		facts := slices.Clone(given)
		fresh, err := l.seq.Assign(facts, expect, time.Now())
		if err != nil || fresh == 0 {
			return backend.Written{Facts: facts}, err
		}
		batch := make([]backend.Fact, 0, fresh)
		for _, f := range facts {
			if f.Seq == first+uint64(len(batch)) { // not held already, nor twice in the batch
				batch = append(batch, f)
			}
		}
		err = l.dir.write(batch)
		if err == nil {
			l.seq.Commit()
			l.firsts = append(l.firsts, first)
			return backend.Written{Facts: facts, First: first}, nil
		}
		l.seq.Rollback()
		if errors.Is(err, backend.ErrFailed) {
			l.failed = err
		}
		if !errors.Is(err, fs.ErrExist) { // otherwise another process was faster
			return backend.Written{}, err
		}
	}
}

// Replay implements backend.Backend.
func (l *Log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		p := backend.NewPager(backend.LogID{}, r, yield)
		firsts, last, err := l.after(ctx, r.After)
		for i := 0; err == nil && i < len(firsts); i++ {
			var batch []backend.Fact
			if batch, err = l.dir.read(firsts[i]); err == nil {
				err = ctx.Err()
			}
			if err == nil && !p.Add(batch...) {
				return
			}
		}
		if err != nil {
			p.Fail(fmt.Errorf("batchdir: replay %s: %w", l.dir, err))
			return
		}
		p.Flush(last)
	}
}

// after returns the first seqs of the batches that have facts after a cursor, and the log's last seq.
func (l *Log) after(ctx context.Context, c backend.Cursor) (firsts []uint64, last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return nil, 0, err
	}
	s := backend.Stats{LastSeq: l.seq.Next() - 1}
	seq, err := s.Resume(c)
	if err != nil || seq == s.LastSeq {
		return nil, s.LastSeq, err
	}
	return l.firsts[l.at(seq+1):], s.LastSeq, nil
}

// WriteSnapshot implements backend.Backend. Files are written once and stay: there is nothing to do.
func (l *Log) WriteSnapshot(ctx context.Context, _ uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refresh(ctx)
}

// Stats implements backend.Log.
func (l *Log) Stats(ctx context.Context) (backend.Stats, error) {
	s, err := l.Defaults.Stats(ctx)
	s.DurableSeq = s.LastSeq
	return s, err
}

// Features implements backend.Log.
func (l *Log) Features() backend.Features {
	return backend.Features{Batches: true, AllIDs: true, MaxFrame: maxFrame, Poll: backend.DefaultPoll}
}

// Close implements backend.Backend.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.Wake()
	return nil
}

// refresh reads the facts that other processes wrote. It fails if ctx is done or the log is closed. The caller holds
// mu.
func (l *Log) refresh(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.closed {
		return backend.ErrClosed
	}
	for l.failed == nil {
		if err := l.load(); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if err := l.dir.sync(); err != nil { // the process that wrote it may not have synced it yet
			l.failed = err
		}
	}
	return nil
}

// load reads the next file. The caller holds mu.
func (l *Log) load() error {
	batch, err := l.dir.read(l.seq.Next())
	if err != nil {
		return err
	}
	l.firsts = append(l.firsts, batch[0].Seq)
	for i := range batch {
		l.seq.Load(&batch[i])
	}
	return nil
}

// fact returns the fact at seq, for the sequencer. The caller holds mu.
func (l *Log) fact(seq uint64) (f backend.Fact, ok bool, err error) {
	if n := len(l.found); n == 0 || seq < l.found[0].Seq || seq > l.found[n-1].Seq {
		if l.found, err = l.dir.read(l.firsts[l.at(seq)]); err != nil {
			return f, false, err
		}
	}
	return l.found[seq-l.found[0].Seq].Clone(), true, nil
}

// at returns the index of the batch that has a seq of the log. The caller holds mu.
func (l *Log) at(seq uint64) int {
	return sort.Search(len(l.firsts), func(i int) bool { return l.firsts[i] > seq }) - 1
}
