// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// pruneFacts is the number of facts that are pruned in one transaction, for which writers wait.
const pruneFacts = 1000

const (
	remove = `delete from igniter.fact where ctid = any(array(select f.ctid from unnest($2::bigint[]) u(seq),
	lateral (select ctid, log, seq from igniter.fact where (log, seq) >= ($1::int, u.seq) order by log, seq limit 1) f
	where f.log = $1 and f.seq = u.seq)) returning store`

	moveHorizon = `insert into igniter.horizon as h (log, store, seq, sec, nsec) select $1::int, u.store, $3::bigint, $4::bigint, $5::int from unnest($2::bytea[]) u(store)
	on conflict (log, store) do update set seq = greatest(h.seq, excluded.seq),
	sec = case when (h.sec, h.nsec) < (excluded.sec, excluded.nsec) then excluded.sec else h.sec end,
	nsec = case when (h.sec, h.nsec) < (excluded.sec, excluded.nsec) then excluded.nsec else h.nsec end`

	moveFloor = `update igniter.log set pruned = pruned + $2::bigint, floor_seq = $3::bigint, floor_sec = $4::bigint, floor_nsec = $5::int where log = $1::int`
)

// Prune implements backend.Log. It removes 1,000 facts at a time, together with setting their stores' horizons, and lets
// writers go on in between. If an answer is lost, it stops: prune the same seqs again.
func (l *Log) Prune(ctx context.Context, seqs iter.Seq[uint64], h backend.Horizon) (backend.PruneReport, error) {
	var report backend.PruneReport
	p, err := l.look(ctx, nil)
	var wanted seqrange.Set
	if err == nil {
		wanted = seqrange.Collect(seqs)
		if p.last.seq > 0 {
			h = h.Within(p.last.seq, p.last.clock)
		}
	}
	var chunk []int64
	for seq := range wanted.All() {
		if err != nil || seq > p.last.seq {
			break
		}
		if chunk = append(chunk, int64(seq)); len(chunk) == pruneFacts {
			err = l.prune(ctx, chunk, h, &report)
			chunk = chunk[:0]
		}
	}
	if err == nil && len(chunk) > 0 {
		err = l.prune(ctx, chunk, h, &report)
	}
	if err != nil {
		_, err = judge(err)
		return report, fmt.Errorf("postgres: prune: %d facts are removed: %w", report.Pruned, err)
	}
	report.Missing = wanted.Len() - report.Pruned
	return report, nil
}

// prune removes the facts at seqs. Until anything is removed, it retries like every trip.
func (l *Log) prune(ctx context.Context, seqs []int64, h backend.Horizon, report *backend.PruneReport) error {
	return l.retry(ctx, func(ctx context.Context) error {
		conn, err := l.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		run := pipeline{conn}
		p := l.depart()
		stores := map[string]bool{}
		n := int64(0)
		all := append([]statement{{sql: begin}}, p.statements(l.number, settings, lockRow)...)
		all = append(all, statement{sql: remove, args: []any{l.number, seqs}, row: func(scan func(...any) error) error {
			var store []byte
			err := scan(&store)
			stores[string(store)] = true
			n++
			return err
		}})
		if err := run.run(ctx, all...); err != nil {
			return err
		}
		if err := l.admit(ctx, conn.Conn(), &p); err != nil {
			return err
		}
		names := make([][]byte, 0, len(stores))
		for s := range stores {
			names = append(names, []byte(s))
		}
		if n == 0 {
			return run.run(ctx, statement{sql: commit})
		}
		err = run.run(ctx,
			statement{sql: moveHorizon, args: []any{l.number, names, seqOf(h.Seq), h.Time.Unix(), int32(h.Time.Nanosecond())}},
			statement{sql: moveFloor, args: []any{l.number, n, seqOf(p.last.seq), p.last.clock.Unix(), int32(p.last.clock.Nanosecond())}},
			statement{sql: commit})
		if err != nil {
			if v, _ := judge(err); v == again { // no retry, since it would not count the facts already removed
				return fmt.Errorf("%w: the answer was lost, prune the same seqs again: %v", backend.ErrUnavailable, err)
			}
			return err
		}
		report.Pruned += uint64(n)
		return nil
	})
}
