package file

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// Restore makes a log of the facts of an earlier one, at the same seqs, so that readers of that log can go on
// where they were. The directory opts.Path, which may be missing, must hold no log. pages are the earlier log,
// as its Replay yields it; the Through of the last page becomes the seq that was given last. The facts of a
// page become one batch, so that a log whose pages are its batches is restored with the same batches.
// Restore returns the number of facts.
//
// The log begins an identity of its own, since its seqs go on otherwise than those of the earlier log. past are the logs
// that have the facts of pages: the earlier log and its ancestors, the latest first, as backend.Inherit returns them
// from its Stats. A cursor of one of those goes on in the new log if it is not beyond what they have in common. nil: it
// is not known which log it was.
//
// Once Restore returns nil, [Open] opens the log. After an error there is none.
func Restore(ctx context.Context, opts Options, past []backend.Ancestor, pages iter.Seq2[backend.Page, error]) (n uint64, err error) {
	defer wrap(&err, "restore log %s", opts.Path)
	if opts, err = opts.withDefaults(); err != nil {
		return 0, err
	}
	d := newDirectory(&opts)
	if err := makeDir(d.fs, d.path); err != nil {
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
	d.id = format.Identity{Log: backend.NewLogID(), Ancestors: backend.Inherit(backend.LogID{}, past, format.MaxSeq)}
	w, err := d.replace(newSnapshot(1)) // finish gives it its name
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	for p, err := range pages {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = w.addPage(&p, last)
		}
		if err != nil {
			return 0, errors.Join(err, w.discard())
		}
		last = p.Through.Seq
	}
	if last == 0 {
		return 0, w.discard()
	}
	w.Identity.Ancestors = backend.Inherit(backend.LogID{}, past, last)
	w.name, w.File.Name, w.File.Last = snapshotName(last), snapshotName(last), last
	s, err := w.finish(nil)
	if err != nil {
		return 0, err
	}
	return s.Facts, nil
}

// addPage adds a page of another log, which was read through a seq before, as one frame.
func (r *replacement) addPage(p *backend.Page, seq uint64) error {
	if p.Through.Seq < seq {
		return &backend.InvalidError{Field: "page", Reason: fmt.Sprintf("a page through seq %d after one through %d", p.Through.Seq, seq)}
	}
	facts := make([]backend.Fact, 0, len(p.Facts))
	for _, f := range p.Facts {
		if err := f.Validate(); err != nil {
			return err
		}
		switch {
		case f.Seq <= seq || f.Seq > p.Through.Seq:
			return &backend.InvalidError{Field: "seq", Reason: fmt.Sprintf("%d after %d, in a page through %d", f.Seq, seq, p.Through.Seq)}
		case f.TransactionTime.IsZero() || f.ValueHash == "":
			return &backend.InvalidError{Field: "fact", Reason: fmt.Sprintf("seq %d has no transaction time or no hash, which every fact of a log has", f.Seq)}
		}
		seq = f.Seq
		normal, err := sequencer.Normalize(f)
		if err != nil {
			return err
		}
		normal.Seq = seq
		facts = append(facts, normal)
	}
	if len(facts) == 0 {
		return nil
	}
	body := wire.AppendGroup(nil, facts)
	if len(body) > wire.MaxMaxFrame {
		return fmt.Errorf("%w: the batch through seq %d takes %d bytes", backend.ErrTooLarge, seq, len(body))
	}
	return r.Add(body, facts)
}
