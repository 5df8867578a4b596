package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a log to other processes",
		Long: `Serves a log over TCP, Unix sockets and TLS, and its health, metrics and facts over HTTP.

SIGTERM and SIGINT drain it: it answers the requests that it has read, and cuts off connections that have not ended
within --drain; a second signal ends it at once. SIGHUP makes it read the tokens, the certificate and the clients'
authorities again. If systemd waits for it (Type=notify or notify-reload), it says when it is ready.

With --tls-cert and --tls-key every connection is a TLS connection. With --tls-client-ca clients need a
certificate; if there are tokens too, they need a token, or a certificate whose common name is the name of an entry.`,
		Example: `  igniter serve                                     # in memory, on loopback
  igniter serve --path /var/lib/igniter/log --listen tcp://127.0.0.1:7400 --listen unix:///run/igniter/igniter.sock
  igniter serve --path ./log --listen tcp://0.0.0.0:7400 --tls-cert server.pem --tls-key server.key --tokens tokens.yaml
  igniter serve --config /etc/igniter/igniter.yaml --http 127.0.0.1:7480`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context()) },
	}
	settings.Add(cmd.Flags(), settings.Serve()...)
	return a.where(cmd)
}

// A service is a server on its way from its first look at the settings to its end.
type service struct {
	app    *app
	log    *zap.Logger
	tokens *auth.Tokens // nil: clients need none
	secure *security    // nil: no TLS
	notify notifier
	mode   os.FileMode // of Unix sockets

	http   *site // nil: no HTTP
	facts  backend.Log
	server *server.Server
	ended  chan error // why Serve failed for a listener
	serves sync.WaitGroup
}

func (a *app) serve(ctx context.Context) (err error) {
	log, err := a.logger("info")
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // a terminal can't be synced
	s := &service{app: a, log: log, notify: notifier{a.environ}}
	if err := s.prepare(); err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	defer func() { err = errors.Join(err, s.close()) }()
	if s.http, err = s.newSite(); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			s.log.Info("told to stop before the log was open")
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
	if err := s.writePID(); err != nil {
		return err
	}
	defer s.removePID()
	s.notify.say("READY=1", "STATUS=serving")
	for {
		select {
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

// prepare reads what the settings name, before the log is opened.
func (s *service) prepare() (err error) {
	v := s.app.values
	if path := v.String("tokens"); path != "" {
		if s.tokens, err = auth.LoadTokens(path); err != nil {
			return err
		}
	}
	if s.secure, err = newSecurity(v, s.tokens != nil, s.log); err != nil {
		return err
	}
	mode, err := strconv.ParseUint(v.String("socket_mode"), 8, 9)
	if err != nil {
		return usage("--socket-mode %q is no octal permissions such as 0660", v.String("socket_mode"))
	}
	s.mode = os.FileMode(mode)
	if len(v.Strings("listen")) == 0 {
		return usage("there is nowhere to listen: give --listen tcp://127.0.0.1:7400 or unix:///path")
	}
	for _, text := range v.Strings("listen") {
		if network, _ := splitAddress(text); network != "tcp" && network != "unix" {
			return usage("--listen %s is neither tcp://host:port nor unix:///path", text)
		}
	}
	return nil
}

// open opens the log.
func (s *service) open(ctx context.Context) (err error) {
	s.notify.say("STATUS=opening the log")
	s.app.isServer = true
	name, config, err := s.app.place("memory")
	if err != nil {
		return err
	}
	if name == "network" {
		return usage("serve keeps the log itself, in memory or files: give --path, or --backend memory")
	}
	config.Logger = s.log
	config.TLS = nil // those settings are the server's
	if name == "file" {
		s.facts, err = s.openFile(ctx, config.Path)
	} else {
		s.facts, err = backend.Open(ctx, name, config)
	}
	if err != nil {
		return err
	}
	if name == "memory" {
		s.log.Warn("the log is in memory and ends with this process; --path keeps it")
	}
	return nil
}

// openFile opens a log in a directory, and tells HTTP how far that has come.
func (s *service) openFile(ctx context.Context, path string) (backend.Log, error) {
	v := s.app.values
	opts := file.Options{Path: path, Sync: file.Sync(v.String("sync")), SyncInterval: v.Duration("sync_interval"), SegmentSize: int64(v.Size("segment_size")),
		MaxFrame: v.Size("max_frame"), Logger: s.log}
	if s.http != nil {
		opts.Progress = s.http.opening.tell
	}
	l, err := file.Open(ctx, opts)
	if err != nil {
		return nil, err // and not a nil *file.Log
	}
	return l, nil
}

// options returns how the server works.
func (s *service) options() server.Options {
	v := s.app.values
	opts := server.Options{
		Tokens: s.tokens, Insecure: v.Bool("insecure"), Logger: s.log,
		MaxConnections: v.Int("max_connections"), MaxFrame: v.Size("max_frame"), MaxRequests: v.Int("max_requests"), MaxBuffered: v.Size("max_buffered"),
		FrameTimeout: v.Duration("frame_timeout"), IdleTimeout: v.Duration("idle_timeout"), WriteTimeout: v.Duration("write_timeout"),
		Heartbeat: v.Duration("heartbeat"), SlowOp: v.Duration("slow_op"),
	}
	if s.secure != nil {
		opts.TLS = s.secure.config
	}
	return opts
}

// listen starts serving.
func (s *service) listen() error {
	s.server = server.New(s.facts, s.options())
	addresses := s.app.values.Strings("listen")
	s.ended = make(chan error, len(addresses))
	for _, text := range addresses {
		network, address := splitAddress(text)
		l, err := server.Listen(network, address)
		if err != nil {
			return err
		}
		if network == "unix" {
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
	s.notify.reloading()
	var errs []error
	if s.tokens != nil {
		errs = append(errs, s.tokens.Reload())
	}
	if s.secure != nil {
		errs = append(errs, s.secure.reload())
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Error("SIGHUP: some files can't be read; their previous contents stay in use", zap.Error(err))
	} else {
		s.log.Info("SIGHUP: read the tokens and certificates again", zap.Bool("tokens", s.tokens != nil), zap.Bool("tls", s.secure != nil))
	}
	s.notify.say("READY=1")
}

// drain lets clients end, and cuts off those that do not in time.
func (s *service) drain() error {
	within := s.app.values.Duration("drain")
	s.notify.say("STOPPING=1", "STATUS=draining")
	start, before := time.Now(), s.server.Metrics()
	s.log.Info("draining", zap.Duration("within", within), zap.Int("connections", before.Connections))
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("clients that had not ended were cut off; acknowledged facts are kept", zap.Duration("after", within))
		err = nil
	}
	if s.http != nil {
		err = errors.Join(err, s.http.shutdown(ctx))
	}
	s.log.Info("drained", zap.Duration("took", time.Since(start)), zap.Uint64("facts_in", s.server.Metrics().FactsIn))
	return err
}

// close releases what the service has.
func (s *service) close() error {
	var err error
	if s.server != nil {
		err = s.server.Close()
	}
	s.serves.Wait()
	if s.http != nil {
		err = errors.Join(err, s.http.close())
	}
	if s.facts != nil {
		err = errors.Join(err, s.facts.Close())
		s.log.Info("closed the log", zap.Error(err))
	}
	return err
}

func (s *service) writePID() error {
	path := s.app.values.String("pid_file")
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		return fmt.Errorf("write the process's ID: %w", err)
	}
	return nil
}

func (s *service) removePID() {
	if path := s.app.values.String("pid_file"); path != "" {
		_ = os.Remove(path) // it may be gone already
	}
}
