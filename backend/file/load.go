package file

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// load gives the sequencer what the sealed pieces hold, from their indexes, and returns the pieces,
// repaired if they had to be. An index that turns out to be damaged is made anew, and all begins
// again.
func (l *Log) load(ctx context.Context, pieces []*piece) ([]*piece, error) {
	indexes := make([]*indexFile, len(pieces))
	defer func() {
		for _, x := range indexes {
			if x != nil {
				_ = x.close() // it was only read
			}
		}
	}()
	for i, p := range pieces {
		var err error
		if err = ctx.Err(); err != nil {
			return nil, err
		}
		if indexes[i] = l.goodIndex(p); indexes[i] == nil {
			if pieces[i], indexes[i], err = l.reindex(ctx, p); err != nil {
				return nil, err
			}
		}
		l.progress.advance(p.size)
	}
	for {
		l.seq = sequencer.New((&lookup{log: l}).Fact)
		bad, err := l.loadIndexes(pieces, indexes)
		if err == nil {
			return pieces, nil
		}
		if !errors.Is(err, errNoIndex) {
			return nil, err
		}
		_ = indexes[bad].close()
		if pieces[bad], indexes[bad], err = l.reindex(ctx, pieces[bad]); err != nil {
			return nil, err
		}
	}
}

// goodIndex returns the index of a piece, unless it does not fit, or the piece is to be read whole.
func (l *Log) goodIndex(p *piece) *indexFile {
	if l.opts.Repair {
		return nil // to find what there is to repair
	}
	x, err := l.openIndex(p)
	if err != nil {
		return nil
	}
	if p.points, err = x.points(); err != nil {
		_ = x.close() // it was only read
		return nil
	}
	p.index.Store(x.size)
	return x
}

// reindex makes the index of a piece from its facts, after a repair if need be.
func (l *Log) reindex(ctx context.Context, p *piece) (*piece, *indexFile, error) {
	data, err := l.buildIndex(ctx, p)
	if l.opts.Repair && errors.Is(err, backend.ErrCorrupt) {
		if p, err = l.repairPiece(ctx, p); err == nil {
			data, err = l.buildIndex(ctx, p)
		}
	}
	if err != nil {
		return p, nil, err
	}
	l.report.Read = append(l.report.Read, p.name)
	x, err := memoryIndex(p, data)
	if err == nil {
		p.points, err = x.points()
	}
	if err != nil {
		return p, nil, err
	}
	l.remade = append(l.remade, remade{p, data})
	return p, x, nil
}

// A remade index is not in its file yet.
type remade struct {
	piece *piece
	data  []byte
}

// writeRemade writes the indexes that were made anew.
func (l *Log) writeRemade() {
	for _, x := range l.remade {
		if err := l.writeIndex(x.piece, x.data); err != nil {
			l.log.Warn("a segment has no index and will be read whole when the log is opened",
				zap.String("path", l.path(x.piece.name)), zap.Error(err))
		}
	}
	l.remade = nil
}

// loadIndexes loads IDs and keys side by side. An error that is errNoIndex is of the index bad.
func (l *Log) loadIndexes(pieces []*piece, indexes []*indexFile) (bad int, err error) {
	type result struct {
		bad int
		err error
	}
	first, facts := len(pieces), uint64(0)
	for first > 0 && facts < sequencer.Remembered {
		first--
		facts += pieces[first].facts
	}
	keys := 0
	for _, x := range indexes {
		keys = max(keys, x.header.Keys)
	}
	l.seq.Reserve(int(facts), keys)
	ids := make(chan result, 1)
	go func() {
		for i := first; i < len(pieces); i++ {
			if err := indexes[i].ids(l.seq.LoadIDs); err != nil {
				ids <- result{i, err}
				return
			}
		}
		ids <- result{}
	}()
	for i, x := range indexes {
		err = x.keys(l.seq.LoadKeys)
		if err != nil {
			bad = i
			break
		}
		l.seq.LoadTime(x.time)
		l.seq.Skip(pieces[i].last + 1)
	}
	if r := <-ids; r.err != nil {
		return r.bad, r.err
	}
	return bad, err
}
