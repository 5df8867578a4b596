// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// readBlob reads the index that u names.
func (l *Log) readBlob(ctx context.Context, u *indexUnit, key func(sequencer.Loaded), id func(uint64, sequencer.ID) error) (*index, error) {
	blob, err := l.port.GetBlob(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	sum := sha256.New()
	counted := &io.LimitedReader{R: blob, N: int64(u.Bytes) + 1}
	from := io.TeeReader(counted, sum)
	x, err := decodeIndex(from, key, id)
	if err == nil {
		_, err = io.Copy(io.Discard, from)
	}
	switch {
	case err != nil:
		return nil, err
	case counted.N != 1 || hash(sum.Sum(nil)) != u.Sum:
		return nil, errors.New("its bytes are not what was written")
	case x.log != l.id || x.pos != u.Pos || x.seq != u.Seq:
		return nil, fmt.Errorf("it is of log %s through seq %d at position %d, not of log %s through seq %d at position %d", x.log, x.seq, x.pos, l.id, u.Seq, u.Pos)
	}
	return x, nil
}

// putIndex writes the blob of x. It takes the IDs from the previous index, and from the log after it.
func (l *Log) putIndex(ctx context.Context, x *index, before *indexUnit) (*indexUnit, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u := &indexUnit{Name: fmt.Sprintf("%020d-%s", x.pos, backend.NewLogID()), Pos: x.pos, Seq: x.seq}
	from, to := io.Pipe()
	encoded := make(chan struct{})
	go func() {
		defer close(encoded)
		w := bufio.NewWriterSize(to, 128<<10)
		err := x.encode(w, l.idsOf(ctx, x, before))
		to.CloseWithError(errors.Join(err, w.Flush()))
	}()
	sum := sha256.New()
	counter := &countingWriter{}
	err := l.port.PutBlob(ctx, u.Name, io.TeeReader(from, io.MultiWriter(sum, counter)))
	cancel()
	from.Close()
	<-encoded
	u.Sum, u.Bytes = hash(sum.Sum(nil)), counter.n
	return u, err
}

type countingWriter struct{ n uint64 }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.n += uint64(len(p))
	return len(p), nil
}

// errLeft ends the reading of an index.
var errLeft = errors.New("caslog: left")

// idsOf yields the IDs of the facts that x holds.
func (l *Log) idsOf(ctx context.Context, x *index, before *indexUnit) iter.Seq2[sequencer.Loaded, error] {
	return func(yield func(sequencer.Loaded, error) bool) {
		var seen seqrange.Set
		give := func(seq uint64, id sequencer.ID) error {
			if x.held.Has(seq) {
				if seen = seen.Append(seq); !yield(sequencer.Loaded{Seq: seq, ID: id}, nil) {
					return errLeft
				}
			}
			return nil
		}
		err := error(nil)
		if before.Name != "" {
			_, err = l.readBlob(ctx, before, func(sequencer.Loaded) {}, give)
		}
		if err == nil {
			err = l.walkIDs(ctx, head{pos: before.Pos, seq: before.Seq}, x.pos, give)
		}
		if err == nil {
			l.mu.Lock()
			if lacks := x.held.Without(seen); len(lacks.Without(lacks.Without(l.held))) > 0 { // other facts were pruned meanwhile
				err = fmt.Errorf("the IDs of seqs %v were not found", lacks[0])
			}
			l.mu.Unlock()
		}
		if err != nil && !errors.Is(err, errLeft) {
			yield(sequencer.Loaded{}, err)
		}
	}
}

// walkIDs calls give with the IDs of the facts between two positions. It retries after temporary errors.
func (l *Log) walkIDs(ctx context.Context, from head, through uint64, give func(uint64, sequencer.ID) error) error {
	var p pause
	for whole := false; !whole; {
		whole = true
		for s, err := range l.walk(ctx, from, through, true) {
			if err != nil && passes(err) {
				if err := p.wait(ctx, l); err != nil {
					return err
				}
				whole = false
				break
			}
			if err != nil {
				return err
			}
			if s.Kind == Facts || s.standIn {
				facts, err := wire.ParseGroup(nil, s.Body)
				if err != nil {
					return l.corrupt("position %d: %v", s.At, err)
				}
				for i := range facts {
					if err := give(facts[i].Seq, sequencer.IDOf(facts[i].ID)); err != nil {
						return err
					}
				}
			}
			from, p = head{pos: s.End, seq: max(from.seq, s.last)}, 0
		}
	}
	return nil
}
