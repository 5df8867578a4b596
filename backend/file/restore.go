package file

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// Restore makes a log of facts that were in one before, at the seqs that they had there, so that who reads the log
// goes on where he was. Path, which may be missing, must have no log yet. facts yields them in order, complete as
// a log gives them out, and last is the seq that the log gave last. It returns how many facts there are.
//
// The log is there once Restore returns nil, and [Open] opens it. After an error there is none.
func Restore(ctx context.Context, opts Options, last uint64, facts iter.Seq2[backend.Fact, error]) (n uint64, err error) {
	if n, err = restore(ctx, opts, last, facts); err != nil {
		return 0, fmt.Errorf("file: restore log %s: %w", opts.Path, err)
	}
	return n, nil
}

func restore(ctx context.Context, opts Options, last uint64, facts iter.Seq2[backend.Fact, error]) (n uint64, err error) {
	if opts, err = opts.withDefaults(); err != nil {
		return 0, err
	}
	l := &Log{opts: opts, dir: filepath.Clean(opts.Path), log: opts.Logger}
	if err := makeDir(opts.fs, l.dir); err != nil {
		return 0, err
	}
	lock, err := lockDir(opts.fs, l.dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	found, err := readLayout(opts.fs, l.dir)
	if err != nil {
		return 0, err
	}
	if len(found.segments)+len(found.snapshots) > 0 {
		return 0, &backend.InvalidError{Field: "path", Reason: l.dir + " holds a log already: give a directory of its own, or move that away"}
	}
	if last == 0 {
		for _, err := range facts {
			if err == nil {
				err = &backend.InvalidError{Field: "last", Reason: "0, and there are facts"}
			}
			return 0, err
		}
		return 0, nil
	}
	w, err := l.newSnapshot(last)
	if err != nil {
		return 0, err
	}
	if err := w.takeAll(ctx, facts); err != nil {
		return 0, errors.Join(err, w.file.discard())
	}
	return w.facts, w.finish(nil)
}

// takeAll adds facts that come from elsewhere.
func (w *snapshotWriter) takeAll(ctx context.Context, facts iter.Seq2[backend.Fact, error]) error {
	var body []byte
	seq := uint64(0)
	for f, err := range facts {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = f.Validate()
		}
		if err != nil {
			return err
		}
		switch {
		case f.Seq <= seq || f.Seq > w.last:
			return &backend.InvalidError{Field: "seq", Reason: fmt.Sprintf("%d after %d, in a log whose last seq is %d", f.Seq, seq, w.last)}
		case f.TransactionTime.IsZero() || f.ValueHash == "":
			return &backend.InvalidError{Field: "fact", Reason: fmt.Sprintf("that with seq %d has no transaction time or no hash, which a log gives to each", f.Seq)}
		}
		seq = f.Seq
		if f, err = sequencer.Normalize(f); err != nil {
			return err
		}
		f.Seq = seq
		body = wire.AppendFact(body[:0], &f)
		if len(body) > wire.MaxMaxFrame {
			return fmt.Errorf("%w: the fact with seq %d takes %d bytes", backend.ErrTooLarge, seq, len(body))
		}
		if err := w.add(body, []backend.Fact{f}); err != nil {
			return err
		}
	}
	return nil
}
