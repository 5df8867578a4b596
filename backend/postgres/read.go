// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/igniter-store/igniter/backend"
)

// Replay implements backend.Backend. The facts of a page share memory.
func (l *Log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return l.loop(ctx, r, false)
}

// Follow implements backend.Log.
func (l *Log) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return l.loop(ctx, r, true)
}

func (l *Log) loop(ctx context.Context, r backend.Range, follow bool) iter.Seq2[backend.Page, error] {
	r.Stores = slices.Clone(r.Stores)
	return func(yield func(backend.Page, error) bool) {
		if follow {
			l.startAlarm()
		}
		x := &reader{log: l, r: r, follow: follow, pruned: -1, at: r.After.Seq, through: r.Through}
		x.yield = func(p backend.Page, err error) bool {
			if err == nil {
				mark, id := uint64(0), []byte(nil)
				if n := len(p.Facts); n > 0 {
					mark, id = p.Facts[n-1].Seq, idBytes(p.Facts[n-1].ID)
				}
				l.saw(p.Through.Seq, mark, id)
			}
			return yield(p, err)
		}
		if err := x.read(ctx); err != nil {
			err = fmt.Errorf("postgres: read after seq %d: %w", x.at, err)
			if x.pager == nil {
				yield(backend.Page{}, err)
				return
			}
			x.pager.Fail(err)
		}
	}
}

// A reader is a loop over the log. It reads each page with a separate statement, so that no transaction is open while the
// loop's body runs.
type reader struct {
	log    *Log
	r      backend.Range
	follow bool
	yield  func(backend.Page, error) bool

	pager    *backend.Pager
	identity backend.LogID
	pruned   int64          // the number of facts that the log had pruned when the loop last got its horizons; -1: not yet
	at       uint64         // the seq through which the log was read
	through  uint64         // the seq at which the loop ends; 0: none
	gone     uint64         // the number of passed seqs without a fact
	batch    []backend.Fact // the facts, through at, of an incomplete batch
	ends     uint64         // the last seq of that batch
}

func (x *reader) read(ctx context.Context) error {
	l := x.log
	for idle := time.Duration(0); ; {
		changed := l.change.Changed()
		got, err := x.take(ctx)
		if err != nil {
			return err
		}
		if x.pager != nil && x.identity != got.place.identity && x.pruned >= 0 {
			x.pruned = -1 // the horizons were another log's
			continue
		}
		if x.pager == nil || x.identity != got.place.identity {
			if err := x.begin(&got); err != nil {
				return err
			}
		}
		if pruned := int64(got.place.pruned); pruned != x.pruned {
			x.pruned = pruned
			x.pager.Tell(got.horizons)
		}
		if err := x.count(&got); err != nil {
			return err
		}
		moved := len(got.facts) > 0 || got.through > x.at
		if !x.give(&got) {
			return nil
		}
		if x.at < got.place.last.seq && (x.through == 0 || x.at < x.through) {
			continue
		}
		if x.through != 0 && x.at >= x.through || !x.follow {
			return nil
		}
		if idle = min(2*idle, pollIdle); moved || idle == 0 || !l.alarm.Load() {
			idle = l.poll()
		}
		if err := x.wait(ctx, changed, idle); err != nil {
			return err
		}
	}
}

// wait waits until the log may have more.
func (x *reader) wait(ctx context.Context, changed <-chan struct{}, poll time.Duration) error {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	case <-x.log.life.Done():
	}
	return x.log.ended(ctx)
}

// begin checks the cursor at the beginning of the loop, and again when the log has a new identity.
func (x *reader) begin(got *taken) error {
	l := x.log
	l.mu.Lock()
	s := backend.Stats{Log: got.place.identity, Ancestors: l.known.ancestors, LastSeq: got.place.last.seq}
	l.mu.Unlock()
	if x.pager == nil {
		seq, err := s.Resume(x.r.After)
		if err != nil {
			return err
		}
		x.at = seq
		if last := s.LastSeq; !x.follow && (x.through == 0 || x.through > last) {
			x.through = max(last, seq)
		}
	}
	x.identity, x.gone = s.Log, 0
	r := x.r
	r.After.Seq, r.Through = x.at, x.through
	if len(x.batch) > 0 {
		r.After.Seq = x.batch[0].Seq - 1
	}
	x.pager = backend.NewPager(s.Log, r, x.yield)
	return nil
}

// taken has the results of one trip.
type taken struct {
	place   place
	facts   []backend.Fact
	rest    []uint64 // for each fact, the number of later facts in its batch
	bytes   int      // of their bodies
	through uint64   // the seq through which the log was read

	horizons map[string]backend.Horizon // if facts were pruned since the loop last got them
}

// take reads the next page.
func (x *reader) take(ctx context.Context) (got taken, err error) {
	l := x.log
	to := uint64(maxSeq)
	if x.through != 0 {
		to = min(x.through, maxSeq)
	}
	sql, args := page, []any{l.number, seqOf(x.at), int64(to)}
	if x.r.Stores != nil {
		stores := make([][]byte, len(x.r.Stores))
		for i, s := range x.r.Stores {
			stores[i] = []byte(s)
		}
		if len(stores) > 0 {
			to = min(to, min(x.at, maxSeq-window)+window)
		}
		sql, args = pageStores, []any{l.number, seqOf(x.at), int64(to), stores}
	}
	got.place, err = l.look(ctx, func() []statement {
		got.facts, got.rest, got.bytes, got.horizons = nil, nil, 0, nil
		all := []statement{scanHorizons(l.number, x.pruned, &got.horizons)}
		if x.r.Stores == nil || len(x.r.Stores) > 0 {
			all = append(all, statement{sql: sql, args: args, rows: got.scan})
		}
		return all
	})
	got.through = min(to, got.place.last.seq)
	if n := len(got.facts); n == pageRows || got.bytes >= pageBytes {
		got.through = got.facts[n-1].Seq
	}
	return got, err
}

const maxSeq = math.MaxInt64

// scan reads the rows of a page. The facts share memory only with each other.
func (got *taken) scan(rows pgx.Rows) error {
	var block []byte
	for rows.Next() {
		var seq int64
		var rest int32
		var body []byte
		if raw := rows.RawValues(); rows.FieldDescriptions()[2].Format == pgx.BinaryFormatCode && len(raw[0]) == 8 && len(raw[1]) == 4 {
			seq, rest, body = int64(binary.BigEndian.Uint64(raw[0])), int32(binary.BigEndian.Uint32(raw[1])), raw[2]
			if cap(block)-len(block) < len(body) {
				block = make([]byte, 0, max(len(body), min(max(2*cap(block), 4<<10), blockSize)))
			}
			start := len(block)
			block = append(block, body...)
			body = block[start:len(block):len(block)]
		} else if err := rows.Scan(&seq, &rest, &body); err != nil {
			return err
		}
		f, err := parse(seq, body)
		if err != nil {
			return err
		}
		got.facts, got.rest = append(got.facts, f), append(got.rest, uint64(rest))
		got.bytes += len(body)
	}
	return nil
}

const blockSize = 64 << 10

// count detects rows that somebody deleted: a loop over all stores must not pass more empty seqs than facts were pruned.
// The page and that number are of one snapshot of the database, so that a concurrent prune changes both.
func (x *reader) count(got *taken) error {
	if x.r.Stores != nil {
		return nil
	}
	var hole [2]uint64 // the last gap
	at := x.at
	pass := func(seq uint64) {
		if seq > at+1 {
			x.gone += seq - at - 1
			hole = [2]uint64{at + 1, seq - 1}
		}
		at = seq
	}
	for i := range got.facts {
		pass(got.facts[i].Seq)
	}
	pass(got.through + 1)
	if x.gone > got.place.pruned {
		return &backend.CorruptError{Path: "igniter.fact", Reason: fmt.Sprintf("facts were taken away, seqs %d to %d or some before: %d are missing through there, and %d were pruned",
			hole[0], hole[1], x.gone, got.place.pruned)}
	}
	return nil
}

// give yields the facts in got, in whole batches. It reports whether the loop goes on.
func (x *reader) give(got *taken) bool {
	start := 0 // index in got of the current batch; the first batch may have begun in an earlier page
	add := func(end int) bool {
		batch := got.facts[start:end]
		if len(x.batch) > 0 {
			batch, x.batch = append(x.batch, batch...), nil
		}
		start = end
		return len(batch) == 0 || x.pager.Add(batch...)
	}
	for i := range got.facts {
		if seq := got.facts[i].Seq; seq > x.ends {
			if !add(i) {
				return false
			}
			x.ends = seq + got.rest[i]
		}
	}
	x.at = got.through
	if x.ends > x.at && x.at != x.through {
		x.batch = append(x.batch, got.facts[start:]...)
	} else if !add(len(got.facts)) {
		return false
	}
	return len(x.batch) > 0 || x.pager.Flush(x.at)
}
