package file

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// Restore makes a log of the facts of an earlier one, at the same seqs, so that readers of that log can go
// on where they were. The directory opts.Path, which may be missing, must hold no log. facts yields the
// facts in order, complete as a log gives them out; last is the seq that the log gave last. Restore returns
// the number of facts.
//
// Once Restore returns nil, [Open] opens the log. After an error there is none.
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
	d := newDirectory(&opts)
	if err := d.make(); err != nil {
		return 0, err
	}
	lock, err := d.lock()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	found, err := d.list()
	if err != nil {
		return 0, err
	}
	if len(found.segments)+len(found.snapshots) > 0 {
		return 0, &backend.InvalidError{Field: "path", Reason: d.path + " holds a log already: give a directory of its own, or move that away"}
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
	w, err := d.replace(newSnapshot(last))
	if err != nil {
		return 0, err
	}
	if err := w.addAll(ctx, facts); err != nil {
		return 0, errors.Join(err, w.discard())
	}
	s, err := w.finish(nil)
	if err != nil {
		return 0, err
	}
	return s.Facts, nil
}

// addAll adds facts that come from elsewhere.
func (w *replacement) addAll(ctx context.Context, facts iter.Seq2[backend.Fact, error]) error {
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
		case f.Seq <= seq || f.Seq > w.File.Last:
			return &backend.InvalidError{Field: "seq", Reason: fmt.Sprintf("%d after %d, in a log whose last seq is %d", f.Seq, seq, w.File.Last)}
		case f.TransactionTime.IsZero() || f.ValueHash == "":
			return &backend.InvalidError{Field: "fact", Reason: fmt.Sprintf("seq %d has no transaction time or no hash, which every fact of a log has", f.Seq)}
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
		if err := w.Add(body, []backend.Fact{f}); err != nil {
			return err
		}
	}
	return nil
}
