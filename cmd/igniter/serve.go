// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
	"github.com/igniter-store/igniter/cmd/igniter/internal/wholefile"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := withLogFlags(&cobra.Command{
		Use:   "serve",
		Short: "Serve a log to other processes",
		Long: `Serves a log over TCP, Unix sockets and TLS, and its health, metrics and facts over HTTP.

SIGTERM and SIGINT make it drain: it answers the requests that it has read, and after --drain closes the connections that
are still open. A second signal ends it at once. SIGHUP makes it read the tokens, the certificate and the clients'
authorities again. It tells systemd when it is ready (Type=notify or notify-reload).

With --tls-cert and --tls-key all connections are TLS connections. With --tls-client-ca clients need a certificate; if
--tokens is given too, they need a token, or a certificate whose common name is the name of an entry.`,
		Example: `  igniter serve                                     # in memory, on loopback
  igniter serve --path /var/lib/igniter/log --listen tcp://127.0.0.1:7400 --listen unix:///run/igniter/igniter.sock
  igniter serve --path ./log --listen tcp://0.0.0.0:7400 --tls-cert server.pem --tls-key server.key --tokens tokens.yaml
  igniter serve --config /etc/igniter/igniter.yaml --http 127.0.0.1:7480`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), nil) },
	})
	settings.Add(cmd.Flags(), settings.Serve()...)
	return cmd
}

// A service is a running server: its settings, its log, and all that serves it.
type service struct {
	app    *app
	log    *zap.Logger
	lines  *sink        // of the log
	tokens *auth.Tokens // nil: clients need no token
	secure *security    // nil: no TLS
	mode   os.FileMode  // of Unix sockets

	reloaded atomic.Pointer[web.Reloaded] // when tokens and certificates were read last

	http   *site // nil: no HTTP
	facts  backend.Log
	mirror *mirroring // nil: the log is no mirror that follows its source
	server *server.Server
	ended  chan error // errors of Serve
	serves sync.WaitGroup
}

// serve serves a log or, if m is not nil, the copy that m keeps.
func (a *app) serve(ctx context.Context, m *mirroring) (err error) {
	signal.Ignore(syscall.SIGPIPE) // the reader of the standard error may go away
	lines := newSink(a.err)
	a.err = lines // also for the message of Main at the end
	log, err := a.logger("info")
	if err != nil {
		return err
	}
	lines.resumed = func(dropped int64) {
		log.Warn("log lines were dropped, since the standard error could not be written", zap.Int64("lines", dropped))
	}
	limitMemory(log)
	s := &service{app: a, log: log, lines: lines, mirror: m}
	if err := s.prepare(); err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	pid := ""
	defer func() {
		err = errors.Join(err, s.close())
		if pid != "" {
			removeProcessID(pid) // once it is gone, the log is not locked any more
		}
	}()
	if s.http, err = s.newSite(); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			s.log.Info("stopped before the log was open")
			return nil
		}
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	if s.http != nil {
		if err := s.http.attach(s); err != nil {
			return err
		}
	}
	if path := a.values.String("pid_file"); path != "" {
		if err := wholefile.Write(path, 0o644, func(f *os.File) error { _, err := fmt.Fprintln(f, os.Getpid()); return err }); err != nil {
			return fmt.Errorf("write the process ID: %w", err)
		}
		pid = path
	}
	if m != nil {
		s.serves.Go(func() { s.ended <- m.run() })
	}
	notify("READY=1", "STATUS=serving")
	watching, stop := context.WithCancel(ctx)
	failed := make(chan error, 1)
	if a.values.Bool("exit_on_failure") {
		s.serves.Go(func() { failed <- failure(watching, s.facts, time.Second) })
	}
	defer stop()
	for {
		select {
		case err := <-failed:
			if err != nil {
				return errors.Join(err, s.drain())
			}
		case <-ctx.Done():
			return s.drain()
		case err := <-s.ended:
			return errors.Join(err, s.drain())
		case err := <-s.http.failed():
			return errors.Join(fmt.Errorf("serve HTTP: %w", err), s.drain())
		case <-hangups:
			s.reload()
		}
	}
}

// failure checks a log at intervals. It returns an error once the log must be opened again, because it takes no more
// writes or its storage now holds another log. It returns nil once ctx ends.
func failure(ctx context.Context, log backend.Log, every time.Duration) error {
	look := time.NewTicker(every)
	defer look.Stop()
	for {
		stats, err := log.Stats(ctx) // readyz shows other errors
		switch {
		case errors.Is(err, backend.ErrDiverged):
			return fmt.Errorf("the log must be opened again: %w", err)
		case err == nil && stats.Failed != "":
			return fmt.Errorf("%w: the log takes no more writes: %s", backend.ErrFailed, stats.Failed)
		case errors.Is(err, backend.ErrClosed):
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// removeProcessID removes a regular file that holds the ID of this process. A file that can't be removed, such as a
// mounted one, is emptied.
func removeProcessID(path string) {
	path, err := wholefile.Target(path)
	if err != nil {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != fmt.Sprintln(os.Getpid()) {
		return
	}
	if err := os.Remove(path); err != nil {
		_ = os.Truncate(path, 0)
	}
}

// notify tells systemd the state of the service, see sd_notify(3), if systemd runs it.
func notify(lines ...string) {
	_, _ = daemon.SdNotify(false, strings.Join(lines, "\n")) // if systemd can't be told, the service goes on
}

// prepare checks the settings and reads the files that they name, before the log is opened.
func (s *service) prepare() (err error) {
	v := s.app.values
	for key, flag := range map[string]string{"tokens": "--tokens", "tls.client_ca": "--tls-client-ca"} {
		if v.Given(key) && v.String(key) == "" { // as of a script's variable that is not set: nobody shall be let in without
			return usage("%s is empty: name a file, or leave it out to let everybody in", flag)
		}
	}
	if path := v.String("tokens"); path != "" {
		if s.tokens, err = auth.LoadTokens(path); err != nil {
			return err
		}
	}
	if s.secure, err = newSecurity(v, s.log); err != nil {
		return err
	}
	s.noteReload(nil)
	if v.Bool("stamp_producer") && s.tokens == nil && (s.secure == nil || s.secure.clientCA == "") {
		return usage("--stamp-producer needs the names of clients: give --tokens or --tls-client-ca")
	}
	if err := s.app.outsideLog("--pid-file", v.String("pid_file")); err != nil {
		return err
	}
	s.app.warnOwner(v.String("pid_file"), s.warn)
	mode, err := strconv.ParseUint(v.String("socket_mode"), 8, 9)
	if err != nil {
		return usage("--socket-mode %q is not octal permissions such as 0660", v.String("socket_mode"))
	}
	s.mode = os.FileMode(mode)
	if len(s.listens()) == 0 && s.mirror == nil {
		return usage("there is no address to listen on: give --listen tcp://127.0.0.1:7400 or unix:///path")
	}
	for _, text := range s.listens() {
		switch network, address, _ := splitAddress(text); network {
		case "tcp":
		case "unix":
			if err := s.app.outsideLog("--listen", address); err != nil {
				return err
			}
		default:
			return usage("--listen %s is neither tcp://host:port nor unix:///path", text)
		}
	}
	return nil
}

// listens returns the addresses to listen on. A mirror has no default address.
func (s *service) listens() []string {
	if s.mirror != nil && s.app.values.IsDefault("listen") {
		return nil
	}
	return s.app.values.Strings("listen")
}

func (s *service) warn(text string) { s.log.Warn(text) }

// open opens the log.
func (s *service) open(ctx context.Context) error {
	notify("STATUS=opening the log")
	s.app.byDefault, s.app.create, s.app.isServer = "memory", true, true
	name, err := s.app.backend()
	if err != nil {
		return err
	}
	if name == "network" {
		return usage("igniter serve can't serve the log of another igniter server: give --path, --backend memory, or the --address of PostgreSQL or NATS servers")
	}
	var progress func(done, total int64)
	if s.http != nil {
		progress = s.http.opening.tell
	}
	if s.mirror != nil {
		s.facts, err = s.mirror.open(ctx, s, progress)
		return err
	}
	if s.facts, err = s.app.open(ctx, s.log, progress); err != nil {
		return err
	}
	if l, ok := s.facts.(*file.Log); ok && l.IsMirror() && !s.app.values.Bool("read_only") {
		return usage("%s holds a mirror: serve it with --read-only, run igniter mirror again, or make it an independent log with igniter promote", s.app.values.String("path"))
	}
	if name == "memory" {
		s.log.Warn("the log is in memory and is lost when this process ends; use --path to keep it")
	}
	return nil
}

// listen starts serving.
func (s *service) listen() error {
	v, limits := s.app.values, s.limits(maxDescriptors())
	opts := server.Options{
		Tokens: s.tokens, StampProducer: v.Bool("stamp_producer"), ReadOnly: v.Bool("read_only") || s.mirror != nil, Insecure: v.Bool("insecure"), Logger: s.log,
		MaxConnections: limits.connections, MaxFrame: v.Int("max_frame"), MaxRequests: v.Int("max_requests"), MaxBuffered: v.Int("max_buffered"),
		HelloTimeout: v.Duration("hello_timeout"), MaxWaiting: limits.waiting, MaxWaitingEach: v.Int("max_waiting_each"),
		MaxConnectionsEach: v.Int("max_connections_each"), MaxMemory: v.Int("max_memory"), MaxMemoryEach: v.Int("max_memory_each"),
		MaxMemoryConnection: v.Int("max_memory_connection"), MaxStreams: v.Int("max_subscriptions"), MaxStreamsEach: v.Int("max_subscriptions_each"),
		FrameTimeout: v.Duration("frame_timeout"), IdleTimeout: v.Duration("idle_timeout"), WriteTimeout: v.Duration("write_timeout"),
		Heartbeat: v.Duration("heartbeat"), SlowOp: v.Duration("slow_op"), MaxSkew: v.Duration("max_skew"),
	}
	switch {
	case s.secure != nil && s.tokens != nil: // a token is enough
		opts.TLS = s.secure.config(tls.VerifyClientCertIfGiven)
	case s.secure != nil:
		opts.TLS = s.secure.config(tls.RequireAndVerifyClientCert)
	}
	s.server = server.New(s.facts, opts)
	s.ended = make(chan error, len(s.listens())+1)
	for _, text := range s.listens() {
		network, address, _ := splitAddress(text)
		l, err := server.Listen(network, address)
		if err != nil {
			return err
		}
		if network == "unix" {
			s.app.warnOwner(address, s.warn)
			if err := os.Chmod(address, s.mode); err != nil {
				return errors.Join(err, l.Close())
			}
		}
		s.serves.Go(func() {
			if err := s.server.Serve(l); err != nil {
				s.ended <- err
			}
		})
	}
	return nil
}

// reload reads the tokens and certificates again. If one can't be read, the previous one stays in use.
func (s *service) reload() {
	notify("RELOADING=1", daemon.SdNotifyMonotonicUsec())
	var errs []error
	if s.tokens != nil {
		errs = append(errs, s.tokens.Reload())
	}
	if s.secure != nil {
		errs = append(errs, s.secure.reload())
	}
	err := errors.Join(errs...)
	if s.noteReload(err); err != nil {
		s.log.Error("SIGHUP: some files can't be read; their previous contents stay in use", zap.Error(err))
	} else {
		s.log.Info("SIGHUP: read the tokens and certificates again", zap.Bool("tokens", s.tokens != nil), zap.Bool("tls", s.secure != nil))
	}
	notify("READY=1")
}

// drain lets clients finish, and cuts off clients that take too long.
func (s *service) drain() error {
	within := s.app.values.Duration("drain")
	notify("STOPPING=1", "STATUS=draining")
	start, before := time.Now(), s.server.Metrics()
	s.log.Info("draining", zap.Duration("within", within), zap.Int("connections", before.Connections))
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("clients that were still connected were cut off; acknowledged facts are kept", zap.Duration("after", within))
		err = nil
	}
	if s.http != nil {
		err = errors.Join(err, s.http.shutdown(ctx))
	}
	s.log.Info("drained", zap.Duration("took", time.Since(start)), zap.Uint64("facts_in", s.server.Metrics().FactsIn))
	return err
}

// close closes the log and everything else that the service has opened.
func (s *service) close() error {
	var err error
	if s.mirror != nil {
		s.mirror.stop()
	}
	if s.server != nil {
		err = s.server.Close()
	}
	s.serves.Wait()
	if s.http != nil {
		err = errors.Join(err, s.http.close())
	}
	if s.mirror != nil {
		err = errors.Join(err, s.mirror.close())
	}
	if s.facts != nil {
		err = errors.Join(err, s.facts.Close())
		s.log.Info("closed the log", zap.Error(err))
	}
	return err
}
