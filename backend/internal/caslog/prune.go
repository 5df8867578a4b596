// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// Limits of one part of a prune: its facts, and about the bytes of its note. A larger prune is split.
const (
	pruneFacts = 10_000
	pruneBytes = 256 << 10
)

// errAgain: another process has pruned meanwhile.
var errAgain = errors.New("caslog: the log was pruned meanwhile by another process")

// Prune implements backend.Log.
func (l *Log) Prune(ctx context.Context, seqs iter.Seq[uint64], h backend.Horizon) (backend.PruneReport, error) {
	ctx, cancel := l.during(ctx)
	defer cancel()
	err := l.ended(ctx)
	var wanted seqrange.Set
	if err == nil {
		err = l.pruning.Lock(ctx)
	}
	if err == nil {
		defer l.pruning.Unlock()
		wanted = seqrange.Collect(seqs)
		if err = l.sync(ctx); err == nil {
			err = l.finishPrunes(ctx)
		}
	}
	var report backend.PruneReport
	if err == nil {
		l.mu.Lock()
		h = h.Within(l.known.seq, l.seq.Time())
		l.mu.Unlock()
		report.Pruned, err = l.prune(ctx, wanted, h)
	}
	if report.Pruned > 0 {
		l.forget()
	}
	if err != nil {
		return backend.PruneReport{}, l.told(err, "prune")
	}
	report.Missing = wanted.Len() - report.Pruned
	return report, nil
}

// prune removes facts part by part, and returns their number.
func (l *Log) prune(ctx context.Context, wanted seqrange.Set, h backend.Horizon) (removed uint64, err error) {
	var p pause
	for {
		l.mu.Lock()
		present := l.held.Without(l.held.Without(wanted))
		l.mu.Unlock()
		if len(present) == 0 {
			return removed, nil
		}
		part, err := l.collect(ctx, present)
		if err == nil {
			err = l.removePart(ctx, part, h)
		}
		switch {
		case err == nil:
			removed += part.note.Gone.Len()
			p = 0
		case errors.Is(err, errAgain) || errors.Is(err, errBehind) || errors.Is(err, backend.ErrUnavailable):
			if err := p.wait(ctx, l); err != nil {
				return removed, err
			}
		default:
			return removed, err
		}
	}
}

// A part is a prune of a part of the wanted facts.
type part struct {
	note   note
	prunes uint64 // the number of known prunes when it was decided
	left   []leftOf
	stores map[string]struct{}
}

// A leftOf has the remaining facts of a unit.
type leftOf struct {
	at          uint64 // the unit's original first position
	first, last uint64
	body        []byte
}

// collect reads the units of some facts, and determines their remaining facts, and the latest remaining facts of keys.
func (l *Log) collect(ctx context.Context, present seqrange.Set) (*part, error) {
	l.mu.Lock()
	start, through := l.before(present[0][0]), l.known.pos
	p := &part{prunes: l.prunes, stores: map[string]struct{}{}}
	l.mu.Unlock()
	type name struct{ store, key string }
	removed := map[name]latest{} // keys whose latest fact is removed
	count, bytes := 0, 0
	for s, err := range l.walk(ctx, start, through, true) {
		if err != nil {
			return nil, err
		}
		if s.Kind != Facts && !s.standIn || !present.Overlaps(s.first, s.last) {
			continue
		}
		facts, err := wire.ParseGroup(nil, s.Body)
		if err != nil {
			return nil, l.corrupt("position %d: %v", s.At, err)
		}
		left := facts[:0:0]
		if err := l.lockCalm(ctx); err != nil {
			return nil, err
		}
		for i := range facts {
			f := &facts[i]
			if !present.Has(f.Seq) {
				left = append(left, *f)
				continue
			}
			count++
			p.note.Gone = p.note.Gone.Append(f.Seq)
			p.stores[f.Store] = struct{}{}
			if l.seq.Latest(f.Store, f.Key) == f.Seq {
				removed[name{f.Store, f.Key}] = latest{Store: f.Store, Key: f.Key, Seq: f.Seq}
				bytes += len(f.Store) + len(f.Key) + backend.MaxIDLen
			}
		}
		l.mu.Unlock()
		p.note.Erase = append(p.note.Erase, s.at)
		p.note.Bytes += uint64(s.size)
		if len(left) > 0 {
			body := wire.AppendGroup(nil, left)
			appended, _ := pack(Kept, body)
			p.note.Bytes -= min(p.note.Bytes, uint64(len(appended)))
			p.left = append(p.left, leftOf{s.At, left[0].Seq, left[len(left)-1].Seq, body})
			bytes += len(body) / 16 // the bodies stay in memory until they are written
		}
		if count >= pruneFacts || bytes >= pruneBytes {
			break
		}
	}
	if count == 0 {
		return nil, errAgain
	}
	if len(removed) > 0 { // find the latest remaining facts
		for s, err := range l.walk(ctx, head{}, through, true) {
			if err != nil {
				return nil, err
			}
			if s.Kind != Facts && !s.standIn {
				continue
			}
			facts, err := wire.ParseGroup(nil, s.Body)
			if err != nil {
				return nil, l.corrupt("position %d: %v", s.At, err)
			}
			for i := range facts {
				f := &facts[i]
				if k, ok := removed[name{f.Store, f.Key}]; ok && f.Seq < k.Seq && !p.note.Gone.Has(f.Seq) {
					k.Left, k.ID = f.Seq, f.ID
					removed[name{f.Store, f.Key}] = k
				}
			}
		}
	}
	p.note.Latest = slices.Collect(maps.Values(removed))
	slices.SortFunc(p.note.Latest, func(a, b latest) int { return int(int64(a.Seq) - int64(b.Seq)) })
	return p, nil
}

// removePart writes the remaining facts, then the note, and then erases.
func (l *Log) removePart(ctx context.Context, p *part, h backend.Horizon) error {
	for _, u := range p.left {
		err := l.commit(ctx, func() (*draft, error) {
			if l.prunes != p.prunes {
				return nil, errAgain
			}
			return &draft{kind: Kept, first: u.first, last: u.last, body: u.body, keep: func(at, end uint64) {
				l.loose[at] = end
				p.note.Kept = append(p.note.Kept, kept{At: u.at, Into: at})
			}}, nil
		})
		if err == nil && (len(p.note.Kept) == 0 || p.note.Kept[len(p.note.Kept)-1].At != u.at) {
			err = errAgain // the unit was appended, but only the tail knows its position
		}
		if err != nil {
			return err
		}
	}
	p.note.Horizons = map[string]backend.Horizon{}
	for store := range p.stores {
		p.note.Horizons[store] = h
	}
	erase := p.note.Erase
	var position uint64
	err := l.commit(ctx, func() (*draft, error) {
		if l.prunes != p.prunes {
			return nil, errAgain
		}
		p.note.Erase = slices.Clone(erase)
		for at, end := range l.loose { // abandoned by earlier prunes
			if !slices.ContainsFunc(p.note.Kept, func(k kept) bool { return k.Into == at }) {
				p.note.Erase = append(p.note.Erase, [2]uint64{at, end})
			}
		}
		p.note.Erase = seqrange.Of(p.note.Erase...)
		p.note.Time = l.seq.Time()
		return l.noteDraft(&p.note, &position)
	})
	if err != nil {
		return err
	}
	if position == 0 { // only the tail knows the position
		return l.finishPrunes(ctx)
	}
	return l.finish(ctx, position, &p.note)
}

// noteDraft returns the draft of a note. Once the note is appended, position has its position. The caller holds mu.
func (l *Log) noteDraft(n *note, position *uint64) (*draft, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	last := l.known.seq
	return &draft{kind: Note, first: last, last: last, body: body, keep: func(at, end uint64) {
		s := step{Entry: Entry{Unit: Unit{Kind: Note, Body: body}, At: at, End: end}}
		if err := l.learn(s); err != nil && l.failed == nil {
			l.failed = err
		}
		if position != nil {
			*position = at
		}
	}}, nil
}

// finishPrunes finishes the prunes that were left unfinished.
func (l *Log) finishPrunes(ctx context.Context) error {
	for {
		l.mu.Lock()
		if len(l.undone) == 0 {
			l.mu.Unlock()
			return nil
		}
		at := slices.Min(slices.Collect(maps.Keys(l.undone)))
		n := l.undone[at]
		l.mu.Unlock()
		if err := l.finish(ctx, at, n); err != nil {
			return err
		}
	}
}

// finish erases the positions of the note at a position, and appends a note that this is done.
func (l *Log) finish(ctx context.Context, at uint64, n *note) error {
	var p pause
	for i := 0; i < len(n.Erase); {
		err := l.port.Erase(ctx, n.Erase[i][0], n.Erase[i][1])
		switch {
		case err == nil:
			i++
		case !errors.Is(err, backend.ErrUnavailable):
			return err
		default:
			if err := p.wait(ctx, l); err != nil {
				return err
			}
		}
	}
	err := l.commit(ctx, func() (*draft, error) {
		if l.undone[at] == nil {
			return nil, nil // another process was faster
		}
		return l.noteDraft(&note{Done: at}, nil)
	})
	return err
}

// forget drops the IDs of facts that are gone.
func (l *Log) forget() {
	for i := range sequencer.ForgetSteps {
		l.mu.Lock()
		l.seq.Forget(i, func(seq uint64) bool { return seq <= l.known.seq && !l.held.Has(seq) })
		l.mu.Unlock()
	}
}
