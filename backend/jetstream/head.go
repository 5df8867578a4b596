// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/igniter-store/igniter/backend"
)

// partDoubt is how long the rest of a unit may take to appear. The server stores a unit as a whole.
const partDoubt = callTimeout * 4 / 5

func (p *port) Head(caller context.Context) (uint64, error) {
	ctx, cancel := p.call(caller)
	defer cancel()
	reconnects := p.nc.Stats().Reconnects
	if p.again.Load() || p.checked.Load() != reconnects {
		if err := p.checkStream(ctx, caller); err != nil {
			return 0, err
		}
		p.again.Store(false)
	}
	var part uint64 // the last message, which is not the last one of its unit
	var since time.Time
	for {
		m, err := p.stream.GetLastMsgForSubject(ctx, p.base+"*")
		if errors.Is(err, jetstream.ErrMsgNotFound) { // an empty stream, or another one
			if err = p.checkStream(ctx, caller); err == nil && p.top.Load() == 0 {
				p.checked.Store(reconnects)
			}
			return 0, err
		}
		if err != nil {
			return 0, p.failedTo(caller, "read the last message", err)
		}
		if m.Sequence != part {
			part, since = m.Sequence, time.Now()
		}
		// If the rest of a part does not come, the part is not of a unit: another program has published it, and its readers
		// report that.
		if i, n := partOf(m.Header); i == n || time.Since(since) > partDoubt {
			if p.saw(m.Sequence); m.Sequence >= p.top.Load() { // otherwise the end was lost, or the server is behind
				p.checked.Store(reconnects)
			}
			p.answered()
			return m.Sequence, nil
		}
		select { // the rest of the unit comes at once
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return 0, p.failedTo(caller, "read the last message", ctx.Err())
		}
	}
}

// Gone implements caslog.Port.
func (p *port) Gone(ctx context.Context) (n, last uint64, by string, err error) {
	call, cancel := p.call(ctx)
	defer cancel()
	by = strconv.FormatUint(p.nc.Stats().Reconnects, 10) // changes when a single server is restarted
	info, err := p.stream.Info(call)
	if err != nil {
		return 0, 0, "", p.failedTo(ctx, "count the messages", err)
	}
	if info.Cluster != nil {
		by += info.Cluster.Leader
	}
	return info.State.LastSeq - min(info.State.Msgs, info.State.LastSeq), info.State.LastSeq, by, nil
}

// failedTo returns the error of a failed read, which may be temporary. If the stream was replaced, the error says so.
func (p *port) failedTo(ctx context.Context, what string, err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		p.again.Store(true)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.unanswered(err)
	if denied := p.denied.Load().(string); denied != "" && !p.nc.IsConnected() {
		return fmt.Errorf("%w: %s", backend.ErrUnauthenticated, denied)
	}
	return fmt.Errorf("%w: %s of stream %s: %w", backend.ErrUnavailable, what, streamName(p.opts.Log), err)
}

// checkStream reads the stream's configuration again.
func (p *port) checkStream(ctx, caller context.Context) error {
	s, err := p.js.Stream(ctx, streamName(p.opts.Log))
	if err != nil {
		return p.failedTo(caller, "read the configuration", err)
	}
	config := &s.CachedInfo().Config
	id, ancestors, err := identityOf(config)
	if err == nil && id != p.id {
		diverged := &backend.DivergedError{Log: id}
		for _, a := range ancestors {
			if a.Log == p.id {
				diverged.Common = a.Through
			}
		}
		err = diverged
	}
	if err == nil {
		err = p.opts.checkConfig(config, p.id)
	}
	return err
}
