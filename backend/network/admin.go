// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// Stats implements backend.Log. It returns the server's Stats, with Connection set. If the server can't be reached,
// it returns only Connection, and the error.
func (c *client) Stats(ctx context.Context) (backend.Stats, error) {
	stats, err := c.stats(ctx)
	c.mu.Lock()
	state := c.state
	c.mu.Unlock()
	stats.Connection = &state
	if err != nil {
		return stats, fmt.Errorf("network: stats: %w", err)
	}
	return stats, nil
}

func (c *client) stats(ctx context.Context) (backend.Stats, error) {
	if c.v1 != nil {
		return c.v1.stats(ctx)
	}
	cl := c.newCall()
	cl.frame = wire.CloseFrame(protocol.AppendRequest(wire.OpenFrame(cl.frame[:0]), protocol.OpStats), 0)
	body, err := c.do(ctx, cl)
	if err != nil {
		return backend.Stats{}, err
	}
	defer c.freeCall(cl)
	stats, err := protocol.ParseStats(body)
	if err == nil {
		err = c.gave(cl.hello, stats.LastSeq)
	}
	if err != nil {
		return backend.Stats{}, err
	}
	return stats, nil
}

// WriteSnapshot implements backend.Log: the server makes a snapshot of its log. To a server of version 1, the client sends
// all facts of the log with the request.
func (c *client) WriteSnapshot(ctx context.Context, through uint64) error {
	var err error
	if c.v1 != nil {
		err = c.v1.writeSnapshot(ctx)
	} else {
		_, err = c.apart(ctx, func(dst []byte) []byte { return protocol.AppendWriteSnapshot(dst, through) })
	}
	if err != nil {
		return fmt.Errorf("network: write snapshot: %w", err)
	}
	return nil
}

// NoteBackup tells the server that a backup of its log through a seq was made. The server's status and metrics show when
// that was last. The client must have the right to read all stores. With a server of version 1, NoteBackup does nothing.
func (c *client) NoteBackup(ctx context.Context, through uint64) error {
	if c.v1 != nil {
		return nil
	}
	if _, err := c.apart(ctx, func(dst []byte) []byte { return protocol.AppendNoteBackup(dst, through) }); err != nil {
		return fmt.Errorf("network: note backup: %w", err)
	}
	return nil
}

// Prune implements backend.Log, with a request for each 100,000 ranges of seqs.
func (c *client) Prune(ctx context.Context, seqs iter.Seq[uint64], h backend.Horizon) (backend.PruneReport, error) {
	if c.v1 != nil {
		return c.v1.Prune(ctx, seqs, h)
	}
	var report backend.PruneReport
	ranges := seqrange.Collect(seqs)
	for first := true; first || len(ranges) > 0; first = false {
		n := min(len(ranges), protocol.MaxRanges)
		body, err := c.apart(ctx, func(dst []byte) []byte { return protocol.AppendPrune(dst, ranges[:n], h) })
		var part struct{ Pruned, Missing uint64 }
		if err == nil {
			err = protocol.ParseAnswer(body, &part)
		}
		if err != nil {
			return report, fmt.Errorf("network: prune: %w", err)
		}
		report.Pruned += part.Pruned
		report.Missing += part.Missing
		ranges = ranges[n:]
	}
	return report, nil
}

// apart makes a round trip on a connection of its own, because the request may take long and other calls must not wait for
// it. It retries as [client.session] does. It returns the answer of a request that succeeded.
func (c *client) apart(ctx context.Context, appendBody func(dst []byte) []byte) (body []byte, err error) {
	err = c.session(ctx, func(s *session) (bool, error) {
		if body, err = s.roundTrip(appendBody); err == nil && protocol.IsError(body) {
			err = verdict(protocol.ParseError(body))
		}
		return false, err
	})
	return body, err
}
