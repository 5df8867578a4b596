// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// callTimeout limits the wait for the answer to one request, unless the network is slow.
const callTimeout = 5 * time.Second

// A port is a caslog.Port at a stream.
type port struct {
	opts      *Options
	nc        *nats.Conn
	js        jetstream.JetStream
	stream    jetstream.Stream
	id        backend.LogID
	ancestors []backend.Ancestor
	base      string // of the subjects, with the dot

	pace    pace
	failing atomic.Int64 // the time since which no call has succeeded, in nanoseconds; 0: the last one has

	process string // the name of this process for others
	wanted  atomic.Bool
	wants   *nats.Subscription
	checked atomic.Uint64 // the number of reconnections when the stream was last checked
	top     atomic.Uint64 // the highest sequence that this process has seen
	again   atomic.Bool   // the stream's configuration must be read again
	refused atomic.Value  // string: the last operation that the server refused for lack of rights
	denied  atomic.Value  // string: why no server accepts this process; "": a server has accepted it

	mu   sync.Mutex
	link context.Context // ends when the connection is lost
	lose context.CancelFunc
}

// call returns a context for one request. It ends after a time limit, and when the connection is lost, since the answer is
// then lost too.
func (p *port) call(ctx context.Context) (context.Context, context.CancelFunc) { return p.send(ctx, 0) }

// send is call for a request of the given size.
func (p *port) send(ctx context.Context, bytes int) (context.Context, context.CancelFunc) {
	begun := time.Now()
	limit := callTimeout
	if p.pace.slow() {
		limit = slowTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit+time.Duration(bytes)*time.Second/slowest)
	p.mu.Lock()
	stop := context.AfterFunc(p.link, cancel)
	p.mu.Unlock()
	return ctx, func() {
		stop()
		cancel()
		p.pace.waited(begun)
	}
}

// elsewhere is how long calls to the connected server may fail before the next server is tried.
const elsewhere = 2 * callTimeout

// unanswered records that a call got no answer, or no useful one, from the connected server. The server may be cut off from
// the others. err is the call's error.
func (p *port) unanswered(err error) {
	if answer := jetstream.JetStreamError(nil); errors.As(err, &answer) || errors.Is(err, nats.ErrNoResponders) {
		p.pace.burden.Store(0) // the server has received all earlier bytes
	}
	now := time.Now()
	since := p.failing.Load()
	switch {
	case since == 0:
		p.failing.CompareAndSwap(0, now.UnixNano())
	case now.Sub(time.Unix(0, since)) > elsewhere && p.nc.IsConnected() && len(p.nc.Servers()) > 1 && !p.pace.busy() && p.failing.CompareAndSwap(since, 0):
		p.opts.Logger.Warn("jetstream: the server does not answer: another one is tried", zap.String("log", p.opts.Log), zap.String("server", p.nc.ConnectedUrlRedacted()))
		_ = p.nc.ForceReconnect()
	}
}

// saw records that a sequence has a message.
func (p *port) saw(seq uint64) {
	for top := p.top.Load(); seq > top && !p.top.CompareAndSwap(top, seq); top = p.top.Load() {
	}
}

// answered records that a call has succeeded.
func (p *port) answered() { p.failing.Store(0) }

// lost ends the requests that wait for answers.
func (p *port) lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose != nil {
		p.lose()
	}
	p.failing.Store(0)
	p.pace.burden.Store(0)
	p.link, p.lose = context.WithCancel(context.Background())
}

// dial connects, and opens or creates the stream.
func dial(ctx context.Context, o *Options) (_ *port, err error) {
	p := &port{opts: o, process: nuid.Next()}
	p.refused.Store("")
	p.denied.Store("")
	p.lost()
	options, err := o.dialOptions(&p.pace)
	if err != nil {
		return nil, err
	}
	options = append(options,
		nats.ReconnectHandler(func(*nats.Conn) {
			p.denied.Store("")
			o.Logger.Info("jetstream: connected again", zap.String("log", o.Log))
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			p.lost()
			if err != nil {
				o.Logger.Warn("jetstream: connection lost", zap.String("log", o.Log), zap.Error(err))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			switch {
			case errors.Is(err, nats.ErrPermissionViolation):
				p.refused.Store(err.Error())
			case isDenied(err):
				p.denied.Store(err.Error())
			}
			o.Logger.Warn("jetstream: error of the connection", zap.String("log", o.Log), zap.Error(err))
		}))
	if p.nc, err = nats.Connect(o.URL, options...); err != nil {
		if isDenied(err) {
			return nil, fmt.Errorf("%w: %w", backend.ErrUnauthenticated, err)
		}
		return nil, fmt.Errorf("%w: connect to %s: %w", backend.ErrUnavailable, o.URL, err)
	}
	defer func(nc *nats.Conn) {
		if err != nil {
			nc.Close()
		}
	}(p.nc)
	if p.js, err = jetstream.New(p.nc, jetstream.WithDefaultTimeout(callTimeout)); err != nil {
		return nil, err
	}
	if err = p.begin(ctx); err != nil {
		return nil, err
	}
	p.wants, err = p.nc.Subscribe("igniter."+o.Log+".want", func(m *nats.Msg) {
		if string(m.Data) != p.process {
			p.wanted.Store(true)
		}
	})
	return p, err
}

// openPatience is how long opening a log is retried, and openPause is the wait between attempts.
const (
	openPatience = 10 * time.Second
	openPause    = 200 * time.Millisecond
)

// begin opens the stream. It retries for a while after temporary errors: missing answers, and internal errors of the
// server. The latter have codes from 500 on, for example if the server could not make the stream's files. It does not retry
// if the server is full, has no JetStream or refuses this process.
func (p *port) begin(ctx context.Context) error {
	for begun := time.Now(); ; {
		err := p.tryBegin(ctx)
		if err == nil || !errors.Is(err, backend.ErrUnavailable) || ctx.Err() != nil || time.Since(begun) > openPatience ||
			errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) || p.refused.Load().(string) != "" {
			return err
		}
		p.opts.Logger.Warn("jetstream: the log can't be opened now: trying again", zap.String("log", p.opts.Log), zap.Error(err))
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return err
		}
	}
}

func (p *port) tryBegin(ctx context.Context) (err error) {
	o := p.opts
	if p.stream, err = o.openStream(ctx, p.js); err != nil {
		return p.told("open stream "+streamName(o.Log), err)
	}
	config := &p.stream.CachedInfo().Config
	if p.id, p.ancestors, err = identityOf(config); err != nil {
		return err
	}
	p.base = subjects(o.Log, p.id)
	if err = o.checkConfig(config, p.id); err == nil {
		err = checkVersion(p.nc.ConnectedServerVersion(), config.Replicas)
	}
	if err == nil && !o.Salvage {
		err = p.probe(ctx)
	}
	return err
}

// isDenied reports whether an error of a connection is that the server does not accept this process's credentials.
func isDenied(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrAccountAuthExpired)
}

// told converts an error of the server or of the connection to one of package backend.
func (p *port) told(what string, err error) error {
	var api jetstream.JetStreamError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, backend.ErrInvalid) || errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrDiverged):
		return err
	case errors.As(err, &api) && api.APIError() != nil && isFull(api.APIError()):
		return fmt.Errorf("%w: %s: %w", backend.ErrFull, what, err)
	case errors.As(err, &api) && api.APIError() != nil && api.APIError().Code == 400:
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w", backend.ErrUnavailable, what, err)
}

func (p *port) Identity() (backend.LogID, []backend.Ancestor) { return p.id, p.ancestors }

func (p *port) Server() (address, name string) {
	return p.nc.ConnectedUrlRedacted(), "nats-server " + p.nc.ConnectedServerVersion()
}

func (p *port) Want() { _ = p.nc.Publish("igniter."+p.opts.Log+".want", []byte(p.process)) }

func (p *port) Wanted() bool { return p.wanted.Swap(false) }

func (p *port) Close() error {
	p.nc.Close()
	p.lost()
	return nil
}
