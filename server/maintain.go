// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// snapshot consolidates the log. It ignores the facts that a client of version 1 sends with the request, since the log has
// all of them.
func (c *conn) snapshot(r *protocol.Request) error {
	if err := c.client.Grant.MayAdmin(r.Op); err != nil {
		return err
	}
	through := uint64(0)
	if c.version > 1 {
		var err error
		if through, err = r.Through(); err != nil {
			return err
		}
	}
	if err := c.server.log.WriteSnapshot(c.server.ctx, through); err != nil {
		return err
	}
	if c.version == 1 {
		c.answer(func(dst []byte) []byte { return protocol.AppendOK(dst, r.ID) })
		return nil
	}
	stats, err := c.server.Stats(c.server.ctx)
	if err != nil {
		return err
	}
	if through == 0 {
		through = stats.LastSeq
	}
	c.answer(func(dst []byte) []byte {
		dst = protocol.AppendNumber(protocol.OpenAnswer(dst), "through", through)
		dst = protocol.AppendNumber(dst, "facts", stats.Facts)
		return protocol.CloseAnswer(protocol.AppendNumber(dst, "bytes", stats.Bytes), r.ID)
	})
	return nil
}

func (c *conn) prune(r *protocol.Request) error {
	if err := c.client.Grant.MayAdmin(r.Op); err != nil {
		return err
	}
	if c.server.opts.ReadOnly {
		return errReadOnly
	}
	seqs, err := r.Seqs()
	if err != nil {
		return err
	}
	horizon, err := r.Horizon()
	if err != nil {
		return err
	}
	last, err := c.server.head(c.server.ctx)
	if err != nil {
		return err
	}
	given := seqs.Through(last) // the request may name very many seqs beyond the last
	report, err := c.server.log.Prune(c.server.ctx, given.All(), horizon)
	if err != nil {
		return err
	}
	c.answer(func(dst []byte) []byte {
		dst = protocol.AppendNumber(protocol.OpenAnswer(dst), "pruned", report.Pruned)
		return protocol.CloseAnswer(protocol.AppendNumber(dst, "missing", report.Missing+seqs.Len()-given.Len()), r.ID)
	})
	return nil
}

// noteBackup records that the client has made a backup, for metrics.
func (c *conn) noteBackup(r *protocol.Request) error {
	if !c.client.Grant.ReadsAll() {
		return fmt.Errorf("%w: a backup is of all stores, and %s may not read all", backend.ErrForbidden, c.client.Grant.Name())
	}
	through, err := r.Through()
	if err != nil {
		return err
	}
	last, err := c.server.head(c.server.ctx)
	if err != nil {
		return err
	}
	m := c.server.metrics
	m.mu.Lock()
	m.backup = &Backup{Seq: min(through, last), Time: time.Now().UTC(), Token: c.client.Grant.Name()}
	m.mu.Unlock()
	c.answer(func(dst []byte) []byte { return protocol.AppendOK(dst, r.ID) })
	return nil
}

func (c *conn) stats(r *protocol.Request) error {
	var stats backend.Stats
	if c.version > 1 {
		var err error
		if stats, err = c.server.Stats(c.server.ctx); err != nil {
			return err
		}
	}
	m := c.server.Metrics()
	if stores, _ := c.client.Grant.Readable(nil); stores != nil { // the client must not see other stores' data
		m.FactsIn, m.Connections = 0, 0
		stats = narrowed(stats, stores, time.Now())
	}
	c.answer(func(dst []byte) []byte {
		dst = protocol.AppendNumber(protocol.OpenAnswer(dst), "facts_written", m.FactsIn)
		dst = protocol.AppendNumber(dst, "connections_active", uint64(m.Connections))
		dst = protocol.AppendNumber(dst, "uptime_ms", uint64(time.Since(m.StartedAt).Milliseconds()))
		if c.version > 1 {
			dst = protocol.AppendStats(dst, &stats)
		}
		return protocol.CloseAnswer(dst, r.ID)
	})
	return nil
}

// narrowed returns stats for a client that may read only some stores. The client needs the log's last seq and identity for
// its cursors, and the horizons of its stores for its reads. LastTime is at least now, so that the client cannot see when
// others last wrote.
func narrowed(s backend.Stats, stores []string, now time.Time) backend.Stats {
	out := backend.Stats{LastSeq: s.LastSeq, DurableSeq: s.DurableSeq, Log: s.Log, Ancestors: s.Ancestors, LastTime: s.LastTime, Horizons: maps.Clone(s.Horizons)}
	if !out.LastTime.IsZero() && out.LastTime.Before(now) {
		out.LastTime = now
	}
	if s.Failed != "" {
		out.Failed = "the log takes no more writes; its operator knows why"
	}
	maps.DeleteFunc(out.Horizons, func(store string, _ backend.Horizon) bool {
		return store != backend.AllStores && !slices.Contains(stores, store)
	})
	return out
}
