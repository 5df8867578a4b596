// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"maps"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// Stats implements backend.Log. It asks for the log's head, since other processes write too.
func (l *Log) Stats(ctx context.Context) (backend.Stats, error) {
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
	if err != nil {
		return backend.Stats{}, l.told(err, "stats")
	}
	s := backend.Stats{LastSeq: l.known.seq, Facts: l.held.Len(), Bytes: l.bytes, Log: l.id, Ancestors: slices.Clone(l.ancestors), Horizons: maps.Clone(l.horizons), LastTime: l.seq.Time()}
	if len(l.held) > 0 {
		s.FirstSeq = l.held[0][0]
	}
	if l.opts.Durable {
		s.DurableSeq = s.LastSeq
	}
	return s, nil
}

// WriteSnapshot implements backend.Backend. It writes an index of the log, with which other processes open it sooner.
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
