// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/cmd/igniter/internal/metrics"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store/reader"
)

// A site is the HTTP side of a service.
type site struct {
	web     *web.Handler
	reader  *reader.Reader // nil: the log is not open yet
	server  *http.Server
	metrics *prometheus.Registry
	serving sync.WaitGroup
	broken  chan error // the error of serving
	opening opening
}

// opening says how much of the log was opened.
type opening struct{ done, total atomic.Int64 }

func (o *opening) tell(done, total int64) {
	o.done.Store(done)
	o.total.Store(total)
}

func (o *opening) progress() web.Progress {
	return web.Progress{Done: o.done.Load(), Total: o.total.Load()}
}

// newSite starts to serve HTTP, before the log is opened. It returns nil if the settings name no address for it.
func (s *service) newSite() (*site, error) {
	v := s.app.values
	address := v.String("http")
	if address == "" {
		return nil, nil
	}
	scheme, host, ok := strings.Cut(address, "://")
	if !ok {
		scheme, host = "http", address
		if s.secure != nil {
			scheme = "https"
		}
	}
	switch {
	case scheme != "http" && scheme != "https":
		return nil, usage("--http %s is neither host:port nor http://host:port nor https://host:port", address)
	case scheme == "https" && s.secure == nil:
		return nil, usage("--http %s needs --tls-cert and --tls-key", address)
	}
	l, err := net.Listen("tcp", host)
	if err != nil {
		return nil, fmt.Errorf("serve HTTP: %w", err)
	}
	local := l.Addr().(*net.TCPAddr).IP.IsLoopback()
	asks := s.tokens != nil || scheme == "https" && s.secure.clientCA != ""
	if !local && !asks && !v.Bool("insecure") {
		return nil, errors.Join(fmt.Errorf("serve HTTP: %s can be reached from other machines, and clients need neither tokens nor certificates: "+
			"set --tokens, listen on loopback, or set --insecure if that is intended", l.Addr()), l.Close())
	}
	if !local && scheme == "http" && s.tokens != nil {
		s.log.Warn("HTTP without TLS can be reached from other machines: tokens can be read on the way", zap.Stringer("address", l.Addr()))
	}
	x := &site{metrics: prometheus.NewRegistry(), broken: make(chan error, 1)}
	x.web = web.New(web.Options{Progress: x.opening.progress, MaxStreams: v.Int("max_streams"), MaxStreamsEach: v.Int("max_streams_each"), Hosts: v.Strings("http_hosts"), Origins: v.Strings("http_origin"), NoUI: !v.Bool("http_ui"),
		WriteTimeout: v.Duration("write_timeout"), Heartbeat: v.Duration("heartbeat"), MaxBody: int64(v.Int("max_frame")), About: s.about, Logger: s.log})
	if err := x.registerProcess(s.lines); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	x.web.Handle("/metrics", promhttp.HandlerFor(x.metrics, promhttp.HandlerOpts{}))
	x.server = web.NewServer(x.web, s.log, s.limits(maxDescriptors()).http)
	s.log.Info("serving HTTP", zap.String("url", scheme+"://"+l.Addr().String()), zap.Bool("tokens", s.tokens != nil))
	x.serving.Go(func() {
		var err error
		if scheme == "https" {
			x.server.TLSConfig = s.secure.config(tls.VerifyClientCertIfGiven) // without a certificate, a client may ask for health, or show a token
			err = x.server.ServeTLS(l, "", "")
		} else {
			err = x.server.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			x.broken <- err
		}
	})
	return x, nil
}

func (x *site) registerProcess(lines *sink) error {
	b := thisBuild()
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "igniter_build_info", Help: "1, with what this program was built from.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go": b.Go}})
	info.Set(1)
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "igniter_http_streams", Help: "Exports and event streams over HTTP that are open."},
		func() float64 { return float64(x.web.Streams()) })
	dropped := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "igniter_log_lines_dropped_total", Help: "Log lines that nothing took from the standard error."},
		func() float64 { return float64(lines.count()) })
	return errors.Join(x.metrics.Register(info), x.metrics.Register(streams), x.metrics.Register(dropped), x.metrics.Register(collectors.NewGoCollector()),
		x.metrics.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})))
}

// failed returns a channel that receives the error of serving HTTP; nil if there is no HTTP.
func (x *site) failed() <-chan error {
	if x == nil {
		return nil
	}
	return x.broken
}

// attach gives HTTP the server and its log.
func (x *site) attach(s *service) error {
	x.reader = reader.New(s.facts, reader.Options{Memory: s.storesMemory(), Logger: s.log})
	x.reader.Counted() // so that the first page does not wait
	x.web.Attach(s.server, s.facts, x.reader)
	err := x.metrics.Register(metrics.New(s.server, metrics.Site{Requests: x.web.Requests, Subscribers: x.web.Subscribers, About: s.about, Stores: x.reader.Counted}))
	if s.mirror != nil {
		err = errors.Join(err, s.mirror.register(x.metrics))
	}
	return err
}

// shutdown waits for requests to end until ctx is done, and then cuts them off.
func (x *site) shutdown(ctx context.Context) error {
	err := x.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // they are cut off, as other clients are
	}
	return errors.Join(err, x.close())
}

// close ends HTTP at once.
func (x *site) close() error {
	err := x.server.Close()
	x.serving.Wait()
	if x.reader != nil {
		err = errors.Join(err, x.reader.Close())
	}
	return err
}
