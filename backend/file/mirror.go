// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"syscall"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/wire"
)

// A Mirror is a log in a directory that is a copy of another log, its source. It has the source's identity, seqs, batches
// and horizons. [Mirror.Take] adds facts that the source has after the mirror's end, and [Mirror.Drop] removes facts that
// were pruned from the source. There is no other way to write to it: Write and Prune return backend.ErrForbidden, also from
// a Log that [Open] opens in the directory of a mirror, until [Promote] makes it an independent log. Take and Drop must not
// be called concurrently; all other methods may be.
//
// A file named MIRROR marks the directory. Every fact that a mirror shows is durable, whatever Options.Sync is.
type Mirror struct {
	*Log
	told format.Horizons // the source's horizons, as pages told them
}

// OpenMirror opens or begins a mirror. source is the Stats of its source. If the directory has a log that is not a mirror,
// the error is a *backend.InvalidError. If the mirror has facts that the source lacks, because the source was restored or
// replaced, the error is a *backend.DivergedError. If the source has a new identity but still has all facts of the mirror,
// the mirror takes over this identity.
func OpenMirror(ctx context.Context, opts Options, source backend.Stats) (m *Mirror, err error) {
	defer wrap(&err, "open mirror %s", opts.Path)
	if source.Log == (backend.LogID{}) {
		return nil, fmt.Errorf("%w: the source has no identity, which a mirror needs", errors.ErrUnsupported)
	}
	opts.mirror, opts.Sync, opts.MaxFrame = &source, SyncAlways, wire.MaxMaxFrame
	l, err := open(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &Mirror{Log: l}, nil
}

// Promote makes an independent log of a mirror that no process has open. The log gets a new identity, with the source as
// its ancestor, and takes writes once it is opened. Readers and writers that have not read the source beyond the mirror's
// end can go on with it; others get a *backend.DivergedError. The source must take no more writes. Promote returns the
// Stats of the new log. If it has horizons beyond its last seq, facts are missing: they were pruned from the source, and
// the facts that replaced them there were not copied. After an error Promote may be called again.
func Promote(ctx context.Context, opts Options) (stats backend.Stats, err error) {
	defer wrap(&err, "promote mirror %s", opts.Path)
	opts.MustExist, opts.Sync, opts.promote = true, SyncAlways, true
	l, err := open(ctx, opts)
	if err != nil {
		return stats, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if stats, err = l.Stats(ctx); err == nil {
		err = l.dir.fs.Remove(l.dir.join(mirrorName))
	}
	if err == nil {
		err = l.dir.sync(l.dir.path)
	}
	return stats, err
}

// promote begins a new identity, if the log is a mirror.
func (l *Log) promote() error {
	if l.dir.mark == nil {
		return &backend.InvalidError{Field: "path", Reason: l.dir.path + " holds a log that is no mirror"}
	}
	id := l.dir.id
	return l.become(format.Identity{Log: backend.NewLogID(), Ancestors: backend.Inherit(id.Log, id.Ancestors, l.state.Load().last)})
}

// become begins a segment with another identity. Call it before anything else reads or writes the log.
func (l *Log) become(id format.Identity) error {
	l.dir.id = id
	return l.roll(l.seq.Next())
}

// adopt takes over the identity of the source, if the source has all facts of the mirror.
func (l *Log) adopt(source *backend.Stats) error {
	own := backend.Cursor{Log: l.dir.id.Log, Seq: l.state.Load().last}
	if _, err := source.Resume(own); err != nil {
		return err
	}
	if own.Log == source.Log {
		return nil
	}
	return l.become(format.Identity{Log: source.Log, Ancestors: source.Ancestors})
}

// IsMirror reports whether the log is a mirror, which takes no writes, see [Mirror].
func (l *Log) IsMirror() bool { return l.dir.mark != nil }

// refuses returns an error if the log takes no writes and no prunes because it is a mirror.
func (l *Log) refuses() error {
	if l.dir.mark == nil {
		return nil
	}
	return fmt.Errorf("%w: the log in %s is a mirror of the log %s: write to that one, or promote the mirror", backend.ErrForbidden, l.dir.path, l.dir.id.Log)
}

// A copied is a frame of the source.
type copied struct {
	frame, body []byte
	facts       []backend.Fact
}

// Take adds pages of the source, in order, as its FollowFrames yields them after the mirror's Stats.LastSeq. Once Take
// returns nil, the facts are durable and readers see them. If seqs are missing in the pages, because facts were pruned from
// the source, Take makes a separate file of the pages: pass many pages at once then.
func (m *Mirror) Take(ctx context.Context, pages ...wire.Frames) (err error) {
	defer wrap(&err, "take what the source has")
	last := m.state.Load().last
	frames, through, dense := []copied(nil), last, true
	for _, p := range pages {
		if p.Through.Log != m.dir.id.Log {
			return fmt.Errorf("the source is the log %s now: open the mirror again, to go on if it has what the mirror has: %w",
				p.Through.Log, &backend.DivergedError{Cursor: backend.Cursor{Log: m.dir.id.Log, Seq: last}, Log: p.Through.Log})
		}
		m.told = format.Join(m.told, p.Horizons)
		if frames, err = appendCopied(frames, &p, through); err != nil {
			return err
		}
		through = p.Through.Seq
	}
	next := last + 1
	for i := range frames {
		facts := frames[i].facts
		dense = dense && facts[0].Seq == next && facts[len(facts)-1].Seq-next == uint64(len(facts)-1)
		next = facts[len(facts)-1].Seq + 1
	}
	if err := ctx.Err(); err != nil || through == last {
		return err
	}
	if !dense || next != through+1 {
		if err := m.maintain(ctx); err != nil {
			return err
		}
		defer m.maintenance.Unlock()
		if !m.gaps.Load() { // this must be durable before readers see the gap
			if err := m.dir.writeMark(mirrorMark{m.dir.mark.Source, true}); err != nil {
				return m.failIf(err)
			}
			m.gaps.Store(true)
		}
		return m.do(context.WithoutCancel(ctx), func() error { return m.fill(frames, through) })
	}
	for len(frames) > 0 {
		n, size := 0, 0
		for n < len(frames) && (n == 0 || size+len(frames[n].frame) <= groupSize) {
			size += len(frames[n].frame)
			n++
		}
		some := frames[:n]
		frames = frames[n:]
		if err := m.do(context.WithoutCancel(ctx), func() error { return m.append(some) }); err != nil {
			return err
		}
	}
	return nil
}

// appendCopied appends the frames of a page of the source. seq is the Through of the previous page.
func appendCopied(frames []copied, p *wire.Frames, seq uint64) ([]copied, error) {
	if p.Through.Seq < seq || p.Through.Seq > maxRestored {
		return nil, &backend.InvalidError{Field: "page", Reason: fmt.Sprintf("a page through seq %d after one through %d", p.Through.Seq, seq)}
	}
	rest := p.Bytes
	if p.Kept {
		rest = slices.Clone(rest)
	}
	for len(rest) > 0 {
		body, after, ok := wire.CutFrame(rest)
		if !ok {
			return nil, &backend.InvalidError{Field: "page", Reason: "it ends inside a frame"}
		}
		facts, err := wire.ParseGroup(nil, body)
		if err != nil {
			return nil, err
		}
		for i := range facts {
			if err := checkCopied(&facts[i], seq, p.Through.Seq); err != nil {
				return nil, err
			}
			seq = facts[i].Seq
		}
		frames = append(frames, copied{wire.AppendFrame(nil, body), body, facts})
		rest = after
	}
	return frames, nil
}

// checkCopied checks a fact of another log. Its seq must be above after, and at most through.
func checkCopied(f *backend.Fact, after, through uint64) error {
	if err := f.Validate(); err != nil {
		return err
	}
	switch {
	case f.Seq <= after || f.Seq > through:
		return &backend.InvalidError{Field: "seq", Reason: fmt.Sprintf("%d after %d, in a page through %d", f.Seq, after, through)}
	case f.TransactionTime.IsZero() || f.ValueHash == "":
		return &backend.InvalidError{Field: "fact", Reason: fmt.Sprintf("seq %d has no transaction time or no hash, which every fact of a log has", f.Seq)}
	}
	return nil
}

// ready returns an error if nothing can be written now.
func (m *Mirror) ready() error {
	if m.dir.reserve.lent.Load() {
		return nothingWritten(fmt.Errorf("room is being made: %w", syscall.ENOSPC))
	}
	return cmp.Or(m.failure(), m.here())
}

// append writes frames that follow the mirror's end without a gap to the active segment, unchanged. It runs on the
// committer.
//
//	pwrite(segment, frames)
//	fdatasync(segment)
func (m *Mirror) append(frames []copied) error {
	if err := m.ready(); err != nil {
		return err
	}
	var all []byte
	for i := range frames {
		all = append(all, frames[i].frame...)
	}
	s := m.state.Load()
	if s.active.end+int64(len(all)) > m.opts.SegmentSize && s.current.Facts > 0 {
		if err := m.roll(frames[0].facts[0].Seq); err != nil {
			return err
		}
	}
	a := m.state.Load().active
	if m.low(a, a.end) {
		m.nudge()
	}
	if err := a.write(all); err != nil {
		return m.group.undo(a, err)
	}
	if err := a.sync(all); err != nil {
		return m.fail(fmt.Errorf("sync: %w", err))
	}
	if err := m.here(); err != nil {
		return err
	}
	for i := range frames {
		facts := frames[i].facts
		for j := range facts {
			m.seq.Load(&facts[j])
		}
		a.end += int64(len(frames[i].frame))
		m.publish(tailFrame{facts[0].Seq, facts[len(facts)-1].Seq, frames[i].frame}, a.end)
	}
	return nil
}

// fill makes a separate file of frames in which seqs are missing, through a seq, and begins an active segment after it.
// After a crash, the file is there as a whole or not at all. It runs on the committer, with maintenance held.
//
//	open(NAME.tmp, O_CREAT), pwrite(…), fdatasync, rename(NAME.tmp, NAME), fsync(directory)
//	the same for the active segment after it
func (m *Mirror) fill(frames []copied, through uint64) error {
	if err := m.ready(); err != nil {
		return err
	}
	next := m.seq.Next()
	if m.state.Load().current.Facts > 0 {
		if err := m.roll(next); err != nil {
			return err
		}
	}
	of := newSegment(next, through) // replaces the active segment, which has no facts
	of.Horizons = m.told
	w, err := m.dir.replace(of)
	if err != nil {
		return m.failIf(err)
	}
	for i := range frames {
		if err := w.Add(frames[i].body, frames[i].facts); err != nil {
			return m.failIf(errors.Join(err, w.discard()))
		}
	}
	a := m.state.Load().active
	a.flushing.Lock()
	defer a.flushing.Unlock()
	sealed, err := w.finish(nil)
	if err != nil {
		return m.failIf(err)
	}
	a.retired = true
	begun, current, err := m.dir.begin(through+1, &m.opts)
	if err != nil {
		return m.fail(fmt.Errorf("begin a segment: %w", err))
	}
	for i := range frames {
		for j := range frames[i].facts {
			m.seq.Load(&frames[i].facts[j])
		}
	}
	m.seq.Skip(through + 1)
	now := m.opts.Now()
	m.update(func(s *state) {
		n := len(s.sealed)
		s.sealed = append(s.sealed[:n:n], sealed)
		s.horizons = format.Join(s.horizons, sealed.Horizons)
		s.tail, s.active, s.current = tail{}, begun, current
		s.last, s.lastTime, s.durable, s.lastSync = through, m.seq.Time(), through, now
	})
	m.nudge()
	return a.close()
}

// Drop removes facts that were pruned from the source. horizon is the source's horizon of their store; the mirror must have
// read the source through its Seq. In all else Drop is like Prune of a Log.
func (m *Mirror) Drop(ctx context.Context, seqs iter.Seq[uint64], horizon backend.Horizon) (report backend.PruneReport, err error) {
	defer wrap(&err, "drop what was pruned from the source")
	return m.prune(ctx, seqs, horizon)
}
