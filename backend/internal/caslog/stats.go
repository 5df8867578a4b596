// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Stats implements backend.Log. It asks the place for the log's head, since other processes write too. With an error it
// returns only Connection.
func (l *Log) Stats(ctx context.Context) (backend.Stats, error) {
	s, err := l.stats(ctx)
	if err != nil {
		err = l.told(err, "stats")
	}
	return s, err
}

func (l *Log) stats(ctx context.Context) (backend.Stats, error) {
	ctx, cancel := l.during(ctx)
	defer cancel()
	err := l.ended(ctx)
	if err == nil {
		err = l.latest(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.err()
	}
	var connection *backend.Connection
	if l.link.Address != "" {
		c := l.link
		connection = &c
	}
	if err != nil {
		return backend.Stats{Connection: connection}, err
	}
	s := backend.Stats{Connection: connection, LastSeq: l.known.seq, Facts: l.held.Len(), Bytes: l.bytes, Log: l.id, Ancestors: slices.Clone(l.ancestors), Horizons: maps.Clone(l.horizons), LastTime: l.seq.Time()}
	if len(l.held) > 0 {
		s.FirstSeq = l.held[0][0]
	}
	if l.opts.Durable {
		s.DurableSeq = s.LastSeq
	}
	return s, nil
}

// met records whether the place answered: err is nil if it did.
func (l *Log) met(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.link
	if err == nil {
		l.asked = time.Time{}
	}
	address, server := l.port.Server()
	if err == nil && c.Up && (address == c.Address || address == "") {
		return
	}
	if up := err == nil; up != c.Up || c.Since.IsZero() || up && address != c.Address {
		c.Up, c.Since = up, time.Now()
	}
	if err != nil {
		c.LastError = err.Error()
		return
	}
	c.Connects++
	c.Address, c.Server = address, server
	c.Protocol = 1 // there is only one version
}

// WriteSnapshot implements backend.Backend. It writes an index of the log, with which other processes open the log faster.
func (l *Log) WriteSnapshot(ctx context.Context, _ uint64) error {
	ctx, cancel := l.during(ctx)
	defer cancel()
	err := l.ended(ctx)
	if err == nil {
		err = l.sync(ctx)
	}
	if err == nil {
		err = l.writeIndex(ctx)
	}
	if err != nil {
		return l.told(err, "write snapshot")
	}
	return nil
}
