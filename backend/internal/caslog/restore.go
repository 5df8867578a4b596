// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Restore writes the facts of pages, with their seqs and times, to the empty log at port, and closes port. The port's
// ancestors must include the source, see backend.Inherit. source returns the Stats of the source. The log takes over its
// horizons, last seq and last time, through the last page's Through. After an error the log has a part of the facts.
func Restore(ctx context.Context, port Port, opts Options, source func(context.Context) (backend.Stats, error), pages iter.Seq2[backend.Page, error]) (backend.Stats, error) {
	l := newLog(port, opts)
	l.run()
	s, err := l.restore(ctx, source, pages)
	if err != nil {
		err = fmt.Errorf("%s: restore: %w", l.opts.Name, err)
	}
	return s, errors.Join(err, l.Close())
}

func (l *Log) restore(ctx context.Context, source func(context.Context) (backend.Stats, error), pages iter.Seq2[backend.Page, error]) (backend.Stats, error) {
	if err := l.sync(ctx); err != nil {
		return backend.Stats{}, err
	}
	through := uint64(0)
	for p, err := range pages {
		if err == nil {
			err = l.appendFacts(ctx, p.Facts)
		}
		if err != nil {
			return backend.Stats{}, err
		}
		through = p.Through.Seq
	}
	from, err := source(ctx)
	if err != nil {
		return backend.Stats{}, err
	}
	n := &note{Horizons: from.Horizons}
	if n.Time = from.LastTime; from.LastSeq > through {
		n.Time = time.Time{}
	}
	err = l.commit(ctx, func() (*draft, error) {
		d, err := l.noteDraft(n, nil)
		if err == nil {
			d.first, d.last = max(d.first, through), max(d.last, through)
			keep := d.keep
			d.keep = func(at, end uint64) {
				keep(at, end)
				l.seq.Skip(d.last + 1)
			}
		}
		return d, err
	})
	if err != nil {
		return backend.Stats{}, err
	}
	return l.Stats(ctx)
}

// appendFacts appends the facts of a page, with their seqs, as one unit, since a page does not tell where its batches end.
func (l *Log) appendFacts(ctx context.Context, facts []backend.Fact) error {
	if len(facts) == 0 {
		return nil
	}
	for i := range facts {
		if err := facts[i].Validate(); err != nil {
			return fmt.Errorf("seq %d: %w", facts[i].Seq, err)
		}
	}
	d := &draft{kind: Facts, first: facts[0].Seq, last: facts[len(facts)-1].Seq, body: wire.AppendGroup(nil, facts)}
	d.keep = func(at, end uint64) {
		s := step{Entry: Entry{Unit: Unit{Kind: Facts, Body: d.body}, At: at, End: end}, header: header{first: d.first, last: d.last, size: d.size}}
		if err := l.load(s); err != nil && l.failed == nil {
			l.failed = err
		}
	}
	err := l.commit(ctx, func() (*draft, error) {
		if d.first < l.seq.Next() {
			return nil, fmt.Errorf("seq %d does not follow seq %d", d.first, l.seq.Next()-1)
		}
		return d, nil
	})
	return err
}
