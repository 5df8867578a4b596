// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Only a process that remembers the end of a log can notice that it was lost. So each process stores a witness of its known
// head beside the log, for processes that open the log later:
//
//	1 0197c0de-… 512 511 17000 hash
//
// the version of the format, the log, the position of the head, the first position of its unit, its last seq and the
// running hash.

// pulse is how often a log checks its end, and writes the witness if the end has moved. Over a slow network the check may
// take long: the pause after it is at least restFactor times as long.
const (
	pulse      = 3 * time.Second
	restFactor = 4
)

// watch detects, also without calls, that the tail missed a unit, or that the log was replaced or cut.
func (l *Log) watch() {
	timer := time.NewTimer(pulse)
	defer timer.Stop()
	var before head
	var scrub scrub
	var begun time.Time
	for ; ; timer.Reset(max(pulse, restFactor*time.Since(begun))) {
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			return
		}
		begun = time.Now()
		if err := l.sync(l.ctx); stuck(err) {
			continue
		} else if err != nil {
			return
		}
		// The last unit of the previous pulse must still be there: a place that lost its last unit may have taken other
		// units since.
		if err := l.checkUnit(l.ctx, before); err != nil && !passes(err) {
			_ = l.fail(err)
			return
		}
		by, err := l.checkWhole(l.ctx)
		if err == nil {
			err = l.scrub(l.ctx, &scrub, by)
		}
		if err != nil && !passes(err) {
			_ = l.fail(l.at(err))
			return
		}
		l.testify(l.ctx)
		l.mu.Lock()
		before = l.known
		due := l.indexDue() && time.Now().After(l.indexAfter) && !l.opts.Salvage
		l.mu.Unlock()
		if due && l.indexing.TryLock() {
			l.indexing.Unlock()
			l.running.Go(func() {
				if err := l.writeIndex(l.ctx); err != nil && l.ctx.Err() == nil {
					l.warn("no index was written; opening the log takes longer until one is", err)
					l.mu.Lock()
					l.indexAfter = time.Now().Add(indexPause)
					l.mu.Unlock()
				}
			})
		}
	}
}

// indexPause is how long a log waits after it failed to write an index.
const indexPause = time.Minute

// checkUnit reads the unit at a formerly known head. If it is gone or another one, the error is a *backend.CorruptError.
func (l *Log) checkUnit(ctx context.Context, h head) error {
	if h.at == 0 || h.hash == (hash{}) {
		return nil
	}
	e, err := l.port.Get(ctx, h.at)
	if l.pruned.Load().erased.Has(h.at) {
		return nil
	}
	if errors.Is(err, ErrNone) {
		if err := l.learnNotes(ctx); err != nil || l.pruned.Load().erased.Has(h.at) {
			return err
		}
		return l.corrupt("the log held facts through seq %d, at position %d: they were taken away", h.seq, h.at)
	}
	if err != nil {
		return err
	}
	unit, err := parseHeader(&e)
	if err != nil || unit.after != h.hash {
		return l.corrupt("the log held facts through seq %d, at position %d, and other facts, through seq %d, are there now: %v", h.seq, h.at, unit.last, err)
	}
	return nil
}

// checkLast checks that the log has the last position that the place ever gave out. A log's last unit is never erased. If
// the log ends earlier, for longer than the time of doubt, the error is a *backend.CorruptError.
func (l *Log) checkLast(ctx context.Context, last uint64) error {
	var p pause
	for begun := time.Now(); ; {
		l.mu.Lock()
		known := l.known
		l.mu.Unlock()
		switch {
		case known.pos >= last || l.opts.Salvage:
			return nil
		case p != 0 && time.Since(begun) >= l.opts.Doubt:
			return l.corrupt("positions through %d were given out, and the log ends with seq %d, at position %d: the units after it were taken away", last, known.seq, known.pos)
		}
		if err := p.wait(ctx, l); err != nil {
			return err
		}
		if err := l.sync(ctx); err != nil {
			return err
		}
	}
}

const witnessForm = "1 %s %d %d %d %s"

// testify writes the witness, if the head has moved since the last one. A failure does no harm.
func (l *Log) testify(ctx context.Context) {
	l.mu.Lock()
	h, ok := l.known, l.failed == nil && !l.opts.Salvage && l.known.at != 0 && l.known.hash != (hash{}) && l.known.pos > l.witnessed
	l.mu.Unlock()
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if l.port.Remember(ctx, fmt.Sprintf(witnessForm, l.id, h.pos, h.at, h.seq, h.hash)) == nil {
		l.mu.Lock()
		l.witnessed = h.pos
		l.mu.Unlock()
	}
}

// checkWitness compares the log with the witness.
func (l *Log) checkWitness(ctx context.Context) error {
	text, err := l.port.Recall(ctx)
	if err != nil || text == "" {
		return err
	}
	var h head
	var log, sum string
	var id backend.LogID
	_, err = fmt.Sscanf(text, witnessForm, &log, &h.pos, &h.at, &h.seq, &sum)
	if err == nil {
		err = errors.Join(id.UnmarshalText([]byte(log)), h.hash.UnmarshalText([]byte(sum)))
	}
	if err != nil {
		return l.corrupt("the witness of the log's end is %.100q: %v", text, err)
	}
	l.mu.Lock()
	known := l.known
	l.mu.Unlock()
	switch {
	case id != l.id && slices.ContainsFunc(l.ancestors, func(a backend.Ancestor) bool { return a.Log == id }):
		return nil // the log was restored
	case id != l.id:
		return l.corrupt("here was log %s with facts through seq %d, and now there is another one, %s, with facts through seq %d: restore it, or remove its witness to begin a new log", id, h.seq, l.id, known.seq)
	case known.pos < h.pos:
		return l.corrupt("the log held facts through seq %d, at position %d, and ends with seq %d, at position %d: the last ones were taken away", h.seq, h.pos, known.seq, known.pos)
	}
	return l.checkUnit(ctx, h)
}
