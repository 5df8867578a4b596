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

// maintain waits for the right to replace segments. The caller ends it with maintenance.Unlock.
func (l *Log) maintain(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.maintenance.Lock(ctx); err != nil {
		return err
	}
	err := l.goOn(ctx)
	if err == nil {
		err = l.failure()
	}
	if err != nil {
		l.maintenance.Unlock()
	}
	return err
}

// goOn returns an error once a long task should end.
func (l *Log) goOn(ctx context.Context) error {
	if l.isClosing() {
		return backend.ErrClosed
	}
	return ctx.Err()
}

// failIf makes the log refuse writes if err says that nobody knows what the directory holds. It turns a lack
// of room into ErrFull.
func (l *Log) failIf(err error) error {
	switch {
	case errors.Is(err, backend.ErrFailed):
		return l.fail(err)
	case isFull(err) && !errors.Is(err, backend.ErrFull):
		return fmt.Errorf("%w: make room and try again: %w", backend.ErrFull, err)
	}
	return err
}

// replace replaces old segments, which follow each other, by a new one. Facts that it does not have are
// pruned. Its file must have its name, and maintenance must be held.
func (l *Log) replace(old []*segment, next *segment) {
	facts := uint64(0)
	for _, s := range old {
		facts += s.Facts
	}
	l.update(func(s *state) {
		i := slices.Index(s.sealed, old[0])
		s.sealed = slices.Concat(s.sealed[:i], []*segment{next}, s.sealed[i+len(old):])
		if next.Facts < facts {
			s.tail = tail{}
			s.pruned += facts - next.Facts
		}
	})
}

// drop removes the files of segments that were replaced by one with another name.
//
//	unlink(segment), unlink(index)      if they are found again, Open removes them
func (l *Log) drop(old []*segment) {
	for _, s := range old {
		for _, name := range []string{s.Name, s.Name + indexExt} {
			if err := l.dir.fs.Remove(l.dir.join(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.log.Warn("a file that does not belong to the log any more was not removed", zap.String("path", l.dir.join(name)), zap.Error(err))
			}
		}
	}
}
