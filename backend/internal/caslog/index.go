// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// An index has the state of a process that knows a log through a position, so that a process which opens the log need not
// read it whole. It is kept as a blob, whose form is in index_form.go.
//
// A unit of the log, an indexUnit, names the blob and has its SHA-256. So a blob counts only if the log names it, and the
// running hash covers each of its bytes, as it covers facts. If a blob is missing or damaged, the previous one is used, or
// the log itself. The cheap parts of an index are compared with the log: the units around its position, the number of
// erased units, an ID for each fact. If they do not match, the whole log is read.
type index struct {
	head
	log      backend.LogID
	time     time.Time
	bytes    uint64
	held     seqrange.Set
	pruned   *pruned
	places   []place
	horizons map[string]backend.Horizon
	notes    uint64
	undone   map[uint64]*note
	loose    map[uint64]uint64
	stores   []string
	keyCount uint64
	keys     []byte // encoded
}

// An indexUnit is the body of a unit of the kind Index, as JSON.
type indexUnit struct {
	Name   string     `json:"name"`             // of the blob
	Bytes  uint64     `json:"bytes"`            // of the blob
	Sum    hash       `json:"sum"`              // the blob's SHA-256
	Pos    uint64     `json:"pos"`              // the index has the log through this position
	Seq    uint64     `json:"seq"`              // its last seq
	Former *indexUnit `json:"former,omitempty"` // the previous index unit, without its Former
}

// defaultIndexEvery is the least number of facts between two indexes that a log writes on its own. In a large log it is a
// tenth of the facts, so that indexes take no more work than the facts.
const defaultIndexEvery = 200_000

// indexDue reports whether enough facts were written since the last index. The caller holds mu.
func (l *Log) indexDue() bool {
	return l.known.seq-min(l.index.Seq, l.known.seq) >= max(l.indexEvery, l.index.Seq/10)
}

// capture returns the index of the log through the last known unit; nil if that unit is an index. Writes wait meanwhile;
// BenchmarkCapture measures how long.
func (l *Log) capture(ctx context.Context) (*index, error) {
	var p pause
	for {
		if err := l.lockCalm(ctx); err != nil {
			return nil, err
		}
		if l.known.pos == l.indexAt { // an empty log, too
			l.mu.Unlock()
			return nil, nil
		}
		if l.known.hash != (hash{}) && l.notes <= l.known.pos {
			break
		}
		l.mu.Unlock() // inside a prune, which ends soon, or before a note that was already learned
		if err := p.wait(ctx, l); err != nil {
			return nil, err
		}
	}
	defer l.mu.Unlock()
	x := &index{head: l.known, log: l.id, time: l.seq.Time(), bytes: l.bytes, held: slices.Clone(l.held), pruned: l.pruned.Load(), places: slices.Clone(l.places),
		horizons: l.horizons, notes: l.notes, undone: maps.Clone(l.undone), loose: maps.Clone(l.loose), stores: l.seq.Stores()}
	for k := range l.seq.Keys() {
		x.addKey(&k)
	}
	return x, nil
}

// restoreIndex sets the state of an empty log from x. The IDs and keys are already loaded.
func (l *Log) restoreIndex(x *index) {
	l.known, l.bytes, l.held, l.places, l.notes = x.head, x.bytes, x.held, x.places, x.notes
	maps.Copy(l.horizons, x.horizons)
	maps.Copy(l.undone, x.undone)
	maps.Copy(l.loose, x.loose)
	l.pruned.Store(x.pruned)
	l.seq.LoadTime(x.time)
	l.seq.Skip(x.seq + 1)
}

// learnIndex handles a unit that names an index. The caller holds mu.
func (l *Log) learnIndex(at uint64, body []byte) error {
	var u indexUnit
	if err := json.Unmarshal(body, &u); err != nil {
		return l.corrupt("position %d: an index: %v", at, err)
	}
	l.index, l.indexAt = u, at
	return nil
}

// loadIndex loads the newest index that matches into an empty log. missing has the seqs that the log holds according to the
// index but whose IDs the index lacks; their facts must turn out to be pruned. Call it before the log's goroutines start.
func (l *Log) loadIndex(ctx context.Context) (missing seqrange.Set, err error) {
	u, err := l.lastIndex(ctx)
	if err != nil {
		return nil, err
	}
	for ; u != nil; u = u.Former {
		missing, err := l.loadBlob(ctx, u)
		if err == nil {
			l.loaded = u.Pos
			return missing, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l.warn("an index can't be used: the log is read from further back", fmt.Errorf("index %s, through seq %d: %w", u.Name, u.Seq, err))
		l.seq = sequencer.New(l.fact)
	}
	return nil, nil
}

// lastIndex returns the content of the last unit of the kind Index; nil if the log has none, or it can't be read.
func (l *Log) lastIndex(ctx context.Context) (*indexUnit, error) {
	var p pause
	for {
		e, err := l.port.Last(ctx, Index)
		var h header
		if err == nil {
			h, err = parseHeader(&e)
			if err != nil || h.log != l.id {
				return nil, nil // the walk returns the error
			}
			var u indexUnit
			if json.Unmarshal(e.Body, &u) != nil || u.Pos >= e.At {
				return nil, nil
			}
			return &u, nil
		}
		switch {
		case errors.Is(err, ErrNone):
			return nil, nil
		case !passes(err):
			return nil, err
		}
		if err := p.wait(ctx, l); err != nil {
			return nil, err
		}
	}
}

// loadBlob loads the index that u names.
func (l *Log) loadBlob(ctx context.Context, u *indexUnit) (missing seqrange.Set, err error) {
	var keys, ids []sequencer.Loaded
	const chunk = 4096
	var seen seqrange.Set
	x, err := l.readBlob(ctx, u, func(f sequencer.Loaded) {
		if keys = append(keys, f); len(keys) == chunk {
			l.seq.LoadKeys(keys)
			keys = keys[:0]
		}
	}, func(seq uint64, id sequencer.ID) error {
		seen = seen.Append(seq)
		if ids = append(ids, sequencer.Loaded{Seq: seq, ID: id}); len(ids) == chunk {
			l.seq.LoadIDs(ids)
			ids = ids[:0]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.seq.LoadKeys(keys)
	l.seq.LoadIDs(ids)
	l.restoreIndex(x)
	return x.held.Without(seen), nil
}

// writeIndex writes an index of the known log, unless there is nothing new or another process is faster. Two indexes are
// kept.
func (l *Log) writeIndex(ctx context.Context) error {
	if err := l.indexing.Lock(ctx); err != nil {
		return err
	}
	defer l.indexing.Unlock()
	x, err := l.capture(ctx)
	if err != nil || x == nil {
		return err
	}
	l.mu.Lock()
	before := l.index
	l.mu.Unlock()
	u, err := l.putIndex(ctx, x, &before)
	if err != nil && before.Name != "" && ctx.Err() == nil {
		l.warn("an index can't be used to write the next one: the whole log is read", err)
		u, err = l.putIndex(ctx, x, &indexUnit{})
	}
	if err != nil {
		return err
	}
	err = l.commit(ctx, func() (*draft, error) {
		if l.index.Name != before.Name {
			return nil, nil // another process was faster
		}
		if before.Name != "" {
			u.Former = new(before)
			u.Former.Former = nil
		}
		return l.besideDraft(Index, u)
	})
	l.mu.Lock()
	published := l.index.Name == u.Name
	l.mu.Unlock()
	switch {
	case err == nil && published:
		l.removeBlobs(ctx, &before)
	case err == nil:
		_ = l.port.RemoveBlob(ctx, u.Name)
	}
	return err
}

// besideDraft returns the draft of a unit that does not change the facts of the log.
func (l *Log) besideDraft(kind Kind, content any) (*draft, error) {
	body, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	last := l.known.seq
	return &draft{kind: kind, first: last, last: last, body: body, keep: func(at, end uint64) {
		s := step{Entry: Entry{Unit: Unit{Kind: kind, Body: body}, At: at, End: end}}
		if err := l.load(s); err != nil && l.failed == nil {
			l.failed = err
		}
	}}, nil
}

// blobAge is the age at which a blob that no unit names is removed. A younger one may belong to a process that is about to name it.
const blobAge = time.Hour

// removeBlobs removes the blobs that are no longer needed. before is the index before the last one. If a removal fails, a
// later call does it.
func (l *Log) removeBlobs(ctx context.Context, before *indexUnit) {
	blobs, err := l.port.ListBlobs(ctx)
	if err != nil {
		return
	}
	l.mu.Lock()
	needed := []string{l.index.Name}
	if l.index.Former != nil {
		needed = append(needed, l.index.Former.Name)
	}
	l.mu.Unlock()
	for _, b := range blobs {
		old := before.Former != nil && b.Name == before.Former.Name
		if !slices.Contains(needed, b.Name) && (old || time.Since(b.Time) > blobAge) {
			_ = l.port.RemoveBlob(ctx, b.Name)
		}
	}
}

// checkErased returns an error if fewer units are gone than an index says were erased.
func (l *Log) checkErased(ctx context.Context) error {
	gone, _, _, err := l.port.Gone(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	erased := l.pruned.Load().erased
	for _, n := range l.undone {
		erased = erased.Without(n.Erase)
	}
	if n := erased.Len(); gone < n {
		return l.corrupt("the index says that %d units are erased, and %d are", n, gone)
	}
	return nil
}

// checkWhole counts the positions without a unit. by identifies the server of the place, see Port.Gone. If more units are
// gone than were pruned, it reads the whole log to find them: the error is then a *backend.CorruptError. The error is also
// a *backend.CorruptError if the last units are gone.
func (l *Log) checkWhole(ctx context.Context) (by string, err error) {
	gone, last, by, err := l.port.Gone(ctx)
	if err == nil {
		err = l.checkLast(ctx, last)
	}
	if err != nil {
		return by, err
	}
	pruned := func() bool { return gone <= l.pruned.Load().erased.Len() }
	if pruned() || gone == l.cleared.Load() {
		return by, nil
	}
	if err := l.learnNotes(ctx); err != nil || pruned() {
		return by, err
	}
	l.mu.Lock()
	through := l.known.pos
	l.mu.Unlock()
	for _, err := range l.walk(ctx, head{}, through, true) {
		if err != nil {
			return by, err
		}
	}
	l.cleared.Store(gone) // the missing unit is beyond the known head, and the tail will reach it
	return by, nil
}
