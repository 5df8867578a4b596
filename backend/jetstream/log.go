// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/caslog"
)

// Open opens a log, and creates its stream if none exists. It reads the log once, from the newest index of its IDs and
// keys on, as long as ctx allows. The Log is a wire.Framer. Its WriteSnapshot writes an index. The log also writes one on
// its own after every 200,000 facts, and a large log whenever it has grown by a tenth.
//
// A call waits for the servers as long as its context lasts, and the log reconnects on its own. Once acknowledged facts of
// the log were removed, every call returns a *backend.CorruptError. Once the log was replaced, every call returns a
// *backend.DivergedError.
func Open(ctx context.Context, o Options) (backend.Log, error) {
	p, err := open(ctx, &o)
	if err != nil {
		return nil, err
	}
	l, err := caslog.Open(ctx, p, o.logOptions(p))
	if err != nil {
		return nil, err
	}
	return l, nil
}

func open(ctx context.Context, o *Options) (*port, error) {
	err := o.check()
	var p *port
	if err == nil {
		p, err = dial(ctx, o)
	}
	if err != nil {
		return nil, fmt.Errorf("jetstream: open log %q at %s: %w", o.Log, o.URL, err)
	}
	return p, nil
}

// leaderDoubt is how long a server that has lost its leadership may still answer.
const leaderDoubt = 30 * time.Second

func (o *Options) logOptions(p *port) caslog.Options {
	opts := caslog.Options{Name: "jetstream", MaxFrame: o.MaxFrame, Durable: o.Durable, Salvage: o.Salvage, Quorum: o.Quorum, Now: o.Now, Logger: o.Logger}
	if p.stream.CachedInfo().Config.Replicas > 1 {
		opts.Doubt = leaderDoubt
	}
	return opts
}

// Restore writes the facts of pages, with their seqs and times, to a new log, whose stream must not exist. The log gets a
// new identity, with the source as an ancestor. source returns the Stats of the source. Restore returns the Stats of the
// new log. After an error the stream exists with a part of the facts; delete it.
func Restore(ctx context.Context, o Options, source func(context.Context) (backend.Stats, error), pages iter.Seq2[backend.Page, error], through uint64) (backend.Stats, error) {
	from, err := source(ctx)
	if err != nil {
		return backend.Stats{}, fmt.Errorf("jetstream: restore log %q: %w", o.Log, err)
	}
	o.ancestors = backend.Inherit(from.Log, from.Ancestors, through)
	o.mustBeNew = true
	p, err := open(ctx, &o)
	if err != nil {
		return backend.Stats{}, err
	}
	return caslog.Restore(ctx, p, o.logOptions(p), source, pages)
}
