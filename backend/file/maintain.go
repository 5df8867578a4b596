package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// maintain waits for the right to replace pieces, which ends with maintained.
func (l *Log) maintain(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.maintaining <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := l.goOn(ctx)
	if err == nil {
		err = l.failure()
	}
	if err != nil {
		l.maintained()
	}
	return err
}

func (l *Log) maintained() { <-l.maintaining }

// goOn returns an error once a long task should end.
func (l *Log) goOn(ctx context.Context) error {
	if l.isClosing() {
		return backend.ErrClosed
	}
	return ctx.Err()
}

// failIf makes the log take no more writes if an error says that it is not known what the directory
// holds. Want of room is an ErrFull.
func (l *Log) failIf(err error) error {
	switch {
	case errors.Is(err, backend.ErrFailed):
		return l.fail(err)
	case isFull(err) && !errors.Is(err, backend.ErrFull):
		return fmt.Errorf("%w: make room and try again: %w", backend.ErrFull, err)
	}
	return err
}

// allPieces returns the pieces of the log as they are now.
func (l *Log) allPieces() []*piece {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pieces
}

// sealedThrough returns the last seq of the sealed pieces.
func (l *Log) sealedThrough() uint64 {
	if sealed := l.sealedPieces(); len(sealed) > 0 {
		return sealed[len(sealed)-1].last
	}
	return 0
}

func (l *Log) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// replace puts a piece in the place of old ones, which follow each other; facts that it does not have are
// gone. Its file must have its name. The caller has called maintain, and holds opening if the name is that of an old one.
func (l *Log) replace(old []*piece, p *piece) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := 0
	if len(old) > 0 {
		i = slices.Index(l.pieces, old[0])
	}
	facts := uint64(0)
	for _, p := range old {
		facts += p.facts
	}
	if p.facts < facts {
		l.tail.clear()
	}
	l.pieces = slices.Concat(l.pieces[:i], []*piece{p}, l.pieces[i+len(old):])
	l.generation++
}

// drop removes the files of pieces that were replaced by one with another name.
//
//	unlink(piece), unlink(index)      found again, they would be removed when the log is opened
func (l *Log) drop(old []*piece) {
	for _, p := range old {
		for _, name := range []string{p.name, p.name + indexExt} {
			if err := l.opts.fs.Remove(l.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.log.Warn("a file that is no part of the log any more was not removed", zap.String("path", l.path(name)), zap.Error(err))
			}
		}
	}
}

// describe writes the index of a new piece. The log works without.
func (l *Log) describe(p *piece, x *indexer) {
	data := x.encode(header{FirstSeq: p.first, CreatedAt: seconds(l.opts.Now()), File: p.name, Size: p.size, Check: p.check})
	if err := l.writeIndex(p, data); err != nil {
		l.log.Warn("a piece of the log has no index and will be read whole when the log is opened",
			zap.String("path", l.path(p.name)), zap.Error(err))
	}
}

// indexOf returns the index of a sealed piece, from its file or made anew. The caller closes it.
func (l *Log) indexOf(ctx context.Context, p *piece) (*indexFile, error) {
	if x, err := l.openIndex(p); err == nil {
		return x, nil
	}
	data, err := l.buildIndex(ctx, p)
	if err != nil {
		return nil, err
	}
	return memoryIndex(p, data)
}
