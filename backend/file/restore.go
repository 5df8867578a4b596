// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// Restore makes a log of the facts of an earlier log, with the same seqs, so that readers of that log can continue from
// their cursors. The directory opts.Path, which may be missing, must hold no log. pages are the pages of the earlier log,
// as its Replay yields them. The Through of the last page becomes the last seq of the new log. The facts of a page become
// one batch: to restore the batches of the log, yield each batch as a page. Restore returns the number of facts.
//
// stats describes the earlier log; it may be that log's Stats method. Restore calls it before and after it reads pages,
// since facts may be pruned meanwhile. If stats is nil, the new log has no ancestors and no horizons.
//   - The new log gets a new identity, since it will give its next seqs to other facts than the earlier log. The earlier
//     log and its ancestors become its ancestors: their cursors stay valid unless they are beyond the common past.
//   - The new log has the horizons of the earlier one, unless pages have all facts. If a horizon is beyond the last page, a
//     fact may be missing that is still a current value at the end of the pages: Restore returns a *backend.CompactedError.
//     A caller that accepts this passes a stats that moves the horizons back.
//
// Restore refuses data that no log can hold, such as horizons of stores with invalid names, and pages beyond seq 2^62. So a
// forged or damaged backup is found before the log is opened.
//
// Once Restore returns nil, [Open] opens the log. After an error there is no log.
func Restore(ctx context.Context, opts Options, stats func(context.Context) (backend.Stats, error), pages iter.Seq2[backend.Page, error]) (n uint64, err error) {
	defer wrap(&err, "restore log %s", opts.Path)
	if opts, err = opts.withDefaults(); err != nil {
		return 0, err
	}
	d := newDirectory(&opts)
	if err := makeDir(d.fs, d.path); err != nil {
		return 0, err
	}
	if _, err := d.list(); err != nil {
		return 0, err // before Restore creates a lock file in a directory that is not a log's
	}
	if d.lock, err = d.locked(d.fs.Lock); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.lock.Close()) }()
	found, err := d.list()
	if err != nil {
		return 0, err
	}
	if mark, err := d.readMark(); mark != nil || err != nil {
		return 0, cmp.Or(err, error(&backend.InvalidError{Field: "path", Reason: d.path + " is the directory of a mirror: give the log a directory of its own"}))
	}
	if len(found.segments)+len(found.snapshots) > 0 {
		return 0, &backend.InvalidError{Field: "path", Reason: d.path + " holds a log already: give a directory of its own, or move that away"}
	}
	of := newSnapshot(1) // the name and the fields below are set at the end
	d.id.Log = backend.NewLogID()
	if stats != nil {
		s, err := stats(ctx)
		if err != nil {
			return 0, err
		}
		if err := checkPast(&s); err != nil {
			return 0, err
		}
		of.Horizons, d.id.Ancestors = s.Horizons, backend.Inherit(s.Log, s.Ancestors, format.MaxSeq)
	}
	w, err := d.replace(of)
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
	w.name, w.File.Name, w.File.Last = snapshotName(last), snapshotName(last), last
	if stats != nil {
		if err := w.inherit(ctx, stats); err != nil {
			return 0, errors.Join(err, w.discard())
		}
	}
	s, err := w.finish(nil)
	if err != nil {
		return 0, err
	}
	return s.Facts, nil
}

// inherit sets ancestors and horizons from the earlier log.
func (r *replacement) inherit(ctx context.Context, stats func(context.Context) (backend.Stats, error)) error {
	s, err := stats(ctx)
	if err == nil {
		err = checkPast(&s)
	}
	if err != nil {
		return err
	}
	last := r.File.Last
	r.Identity.Ancestors = backend.Inherit(s.Log, s.Ancestors, last)
	if r.File.Horizons = nil; r.File.Facts == last {
		return nil
	}
	r.File.Horizons = s.Horizons
	if err := s.Whole(last, nil); err != nil {
		return fmt.Errorf("the facts through seq %d lack some that are the answer there, since they were pruned later: %w", last, err)
	}
	return nil
}

// maxRestored is the highest seq with which a restored log may begin. It leaves the same number of seqs for new facts.
const maxRestored = format.MaxSeq / 2

// checkPast checks the ancestors and horizons that a log takes over, so that its headers can be read.
func checkPast(s *backend.Stats) error {
	for store, h := range s.Horizons {
		if err := backend.CheckStore(store); err != nil && store != backend.AllStores {
			return fmt.Errorf("a horizon: %w", err)
		}
		if y := h.Time.UTC().Year(); h.Seq > format.MaxSeq || y < 1 || y > 9999 {
			return &backend.InvalidError{Field: "horizon", Reason: fmt.Sprintf("seq %d, %v, of store %q", h.Seq, h.Time, store)}
		}
	}
	for _, a := range s.Ancestors {
		if a.Through > format.MaxSeq {
			return &backend.InvalidError{Field: "ancestor", Reason: fmt.Sprintf("the log %s through seq %d", a.Log, a.Through)}
		}
	}
	return nil
}

// addPage adds a page of another log as one frame. seq is the Through of the previous page.
func (r *replacement) addPage(p *backend.Page, seq uint64) error {
	if p.Through.Seq < seq {
		return &backend.InvalidError{Field: "page", Reason: fmt.Sprintf("a page through seq %d after one through %d", p.Through.Seq, seq)}
	}
	if p.Through.Seq > maxRestored {
		return &backend.InvalidError{Field: "page", Reason: fmt.Sprintf("a page through seq %d: a log may begin with seqs up to %d", p.Through.Seq, uint64(maxRestored))}
	}
	facts := make([]backend.Fact, 0, len(p.Facts))
	for _, f := range p.Facts {
		if err := checkCopied(&f, seq, p.Through.Seq); err != nil {
			return err
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
