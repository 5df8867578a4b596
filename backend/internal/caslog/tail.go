// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// tail reads new units until the log is closed or has failed.
func (l *Log) tail() {
	var p pause
	for {
		if _, err := l.head(l.ctx); stuck(err) && p.wait(l.ctx, l) == nil {
			continue
		} else if err != nil { // check that it is still the same log
			return
		}
		l.mu.Lock()
		known := l.known
		l.mu.Unlock()
		if err := l.checkUnit(l.ctx, known); err != nil && l.ctx.Err() == nil && !passes(err) { // the place may have changed its leader
			_ = l.fail(err)
			return
		}
		for s, err := range l.walk(l.ctx, known, 0, true) {
			if err == nil {
				err = l.take(s)
			}
			if err != nil {
				if l.ctx.Err() == nil && !passes(err) {
					_ = l.fail(l.at(err))
				}
				break
			}
			p = 0
		}
		if p.wait(l.ctx, l) != nil {
			return
		}
	}
}

// take handles a step: afterwards the log is known through it.
func (l *Log) take(s step) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.flight != nil && s.End > l.known.pos {
		f := l.flight
		f.arrive(s.after)
		l.mu.Unlock()
		select {
		case <-f.settled:
		case <-l.ctx.Done():
		}
		l.mu.Lock()
		if err := l.err(); err != nil {
			return err
		}
	}
	if s.End <= l.known.pos {
		if s.End == l.known.pos && !s.standIn && l.known.hash != (hash{}) && s.after != l.known.hash {
			return l.corrupt("seq %d was appended at position %d, and another unit, through seq %d, is there", l.known.seq, s.End, s.last)
		}
		return nil
	}
	if l.lost != nil && l.lost.after == s.after {
		l.lost.ours = true
	}
	if err := l.load(s); err != nil {
		return err
	}
	l.seq.Skip(s.last + 1) // the unit's last facts may have been pruned
	l.known = head{pos: s.End, seq: max(l.known.seq, s.last)}
	if !s.standIn {
		l.known.at, l.known.hash = s.At, s.after
	}
	l.change.Notify()
	return nil
}

// load handles the content of a unit. The caller holds mu.
func (l *Log) load(s step) error {
	// A note that was learned after the walk read the unit may have pruned it.
	p := l.pruned.Load()
	i := p.at(s.At)
	if stands := i < len(p.kept) && p.kept[i] == (kept{s.At, s.at[0]}); s.standIn && !stands || !s.standIn && p.erased.Has(s.At) {
		return errBehind
	}
	switch {
	case s.Kind == Facts || s.standIn:
		facts, err := wire.ParseGroup(nil, s.Body)
		if err != nil {
			return l.corrupt("position %d, seqs %d to %d: %v", s.At, s.first, s.last, err)
		}
		if n := len(facts); n == 0 || facts[0].Seq != s.first || facts[n-1].Seq != s.last || s.first < l.seq.Next() {
			return l.corrupt("position %d does not hold seqs %d to %d, or they do not follow seq %d", s.At, s.first, s.last, l.seq.Next()-1)
		}
		for i := range facts {
			l.seq.Load(&facts[i])
			l.held = l.held.Append(facts[i].Seq)
		}
		l.added(s.first, s.last, s.At, s.Body, s.size)
	case s.Kind == Kept:
		if !p.into(s.At) {
			l.loose[s.At] = s.End
		}
	case s.Kind == Note:
		return l.learn(s)
	case s.Kind == Index:
		return l.learnIndex(s.At, s.Body)
	case s.Kind == Mark:
	default:
		return l.corrupt("position %d has a unit of the unknown kind %q", s.At, s.Kind)
	}
	return nil
}

// added records the position of a unit's facts. size is the size of its body in the place. The caller holds mu.
func (l *Log) added(first, last, pos uint64, body []byte, size int) {
	if n := len(l.places); n == 0 || first >= l.places[n-1].seq+placeEvery {
		l.places = append(l.places, place{first, pos})
	}
	l.bytes += uint64(size)
	l.recent.add(first, last, body)
}

// learnNotes learns all notes of the log.
func (l *Log) learnNotes(ctx context.Context) error {
	for {
		l.mu.Lock()
		after := l.notes
		l.mu.Unlock()
		e, err := l.port.NextNote(ctx, after)
		if errors.Is(err, ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		h, err := parseHeader(&e)
		if err == nil && h.log != l.id {
			return &backend.DivergedError{Log: h.log}
		}
		if err != nil {
			return l.corrupt("%v", err)
		}
		if err := l.lockCalm(ctx); err != nil {
			return err
		}
		err = l.learn(step{Entry: e, header: h})
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// lockCalm takes mu when no unit is in flight, since the sequencer of a log with a unit in flight has facts that may be
// undone.
func (l *Log) lockCalm(ctx context.Context) error {
	l.mu.Lock()
	for l.flight != nil {
		f := l.flight
		l.mu.Unlock()
		select {
		case <-f.settled:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.mu.Lock()
	}
	return nil
}

// learn handles a note, unless it is known. A note may be learned before the units that precede it: for seqs that are not
// known yet, it only makes the walk skip them. The caller holds mu, and no facts may be in flight, since undoing them later
// could bring back a key's latest fact that the note removes.
func (l *Log) learn(s step) error {
	if s.At <= l.notes {
		return nil
	}
	n, err := parseNote(s.Body)
	if err != nil {
		return l.corrupt("position %d: %v", s.At, err)
	}
	l.notes = s.End
	l.seq.LoadTime(n.Time)
	if len(n.Horizons) > 0 {
		l.horizons, l.horizonTurn = maps.Clone(l.horizons), l.horizonTurn+1
		for store, h := range n.Horizons {
			l.horizons[store] = l.horizons[store].Later(h)
		}
	}
	delete(l.undone, n.Done)
	if len(n.Erase) == 0 {
		return nil
	}
	l.undone[s.At] = &n
	l.prunes++
	l.pruned.Store(l.pruned.Load().with(&n))
	l.held = l.held.Without(n.Gone)
	l.bytes -= min(l.bytes, n.Bytes)
	for _, k := range n.Latest {
		// A process that has not read up to the note knows an earlier fact as the latest, which this note or an earlier one
		// has also removed.
		if seq := l.seq.Latest(k.Store, k.Key); seq != 0 && !l.held.Has(seq) {
			l.seq.Pruned(k.Store, k.Key, seq, &backend.Fact{Seq: k.Left, ID: k.ID})
		}
	}
	for _, k := range n.Kept {
		delete(l.loose, k.Into)
	}
	for pos := range l.loose {
		if n.Erase.Has(pos) {
			delete(l.loose, pos)
		}
	}
	l.recent, l.found = recent{}, nil
	return nil
}

// fact returns the fact at seq, for the sequencer. The caller holds mu.
func (l *Log) fact(seq uint64) (f backend.Fact, ok bool, err error) {
	if !l.held.Has(seq) {
		return f, false, nil
	}
	if n := len(l.found); n == 0 || seq < l.found[0].Seq || seq > l.found[n-1].Seq {
		if l.found, err = l.lookUp(seq); err != nil {
			return f, false, err
		}
	}
	for i := range l.found {
		if l.found[i].Seq == seq {
			return l.found[i].Clone(), true, nil
		}
	}
	return f, false, l.corrupt("the unit of seq %d does not hold it", seq)
}

// lookUp reads the facts of the unit that has a seq. The caller holds mu.
func (l *Log) lookUp(seq uint64) ([]backend.Fact, error) {
	if body := l.recent.body(seq); body != nil {
		return wire.ParseGroup(nil, body)
	}
	for s, err := range l.walk(l.ctx, l.before(seq), l.known.pos, false) {
		if err != nil && passes(err) {
			err = fmt.Errorf("%w: %w", errBehind, err)
		}
		if err != nil {
			return nil, fmt.Errorf("read seq %d: %w", seq, err)
		}
		if (s.Kind == Facts || s.standIn) && s.last >= seq {
			return wire.ParseGroup(nil, s.Body)
		}
	}
	return nil, l.corrupt("seq %d was taken away: the log is known through seq %d", seq, l.known.seq)
}

// before returns a head before a seq, from which a walk finds the seq. The caller holds mu.
func (l *Log) before(seq uint64) head {
	if i := after(l.places, seq); i > 0 {
		return head{pos: l.places[i-1].pos - 1, seq: l.places[i-1].seq - 1}
	}
	return head{}
}
