// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	_ "github.com/igniter-store/igniter/backend/jetstream"
	_ "github.com/igniter-store/igniter/backend/memory" // registers itself, as file and network do
	_ "github.com/igniter-store/igniter/backend/network"
	_ "github.com/igniter-store/igniter/backend/postgres"
	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
	"github.com/igniter-store/igniter/cmd/igniter/internal/wholefile"
	"github.com/igniter-store/igniter/internal/plaintext"
)

// withLog opens the log that the settings name, for a function.
func (a *app) withLog(ctx context.Context, with func(log backend.Log) error) error {
	logger, err := a.logger("warn")
	if err != nil {
		return err
	}
	log, err := a.open(ctx, logger, nil)
	if err != nil {
		return err
	}
	return errors.Join(with(log), log.Close())
}

// open opens the log that the settings name. progress, if not nil, is called with the bytes of a log in files that were
// opened so far, and the total.
func (a *app) open(ctx context.Context, logger *zap.Logger, progress func(done, total int64)) (log backend.Log, err error) {
	name, err := a.backend()
	if err != nil {
		return nil, err
	}
	v, config := a.values, backend.Config{Logger: logger}
	switch name {
	case "file":
		path := v.String("path")
		if _, err := os.Stat(path); err != nil && !a.create {
			return nil, fmt.Errorf("there is no log: %w; igniter put, import and serve create one", err)
		}
		log, err = file.Open(ctx, file.Options{
			Path: path, Sync: file.Sync(v.String("sync")), SyncInterval: v.Duration("sync_interval"), SegmentSize: int64(v.Int("segment_size")),
			MaxFrame: v.Int("max_frame"), MustExist: v.Bool("must_exist"), Progress: progress, Logger: logger,
		})
	case "memory":
		config.Settings = map[string]any{"max_frame": v.Int("max_frame")}
		log, err = backend.Open(ctx, name, config)
	case "postgres":
		config.Address, config.Settings = v.String("address"), map[string]any{"max_frame": v.Int("max_frame")}
		if name := v.String("log_name"); name != "" {
			config.Settings["log"] = name
		}
		log, err = backend.Open(ctx, name, config)
	case "jetstream":
		if err = a.jetStream(&config); err != nil {
			return nil, err
		}
		log, err = backend.Open(ctx, name, config)
	case "network":
		if err = a.connection(&config, v.String("address")); err != nil {
			return nil, err
		}
		fallthrough
	default:
		log, err = backend.Open(ctx, name, config)
	}
	switch {
	case errors.Is(err, backend.ErrInvalid):
		return nil, commandError{err, 2, ""}
	case err != nil:
		return nil, err
	}
	return log, nil
}

// backend returns the name of the log's backend, as the strongest of flags, variables and file says. A flag that the
// backend does not use is an error. Variables and files may have settings that only other commands use.
func (a *app) backend() (name string, err error) {
	keys := []string{"backend", "path", "address"}
	if a.isServer && !a.values.Given("address") {
		keys = keys[:2] // a variable or file with an address is for clients
	}
	given := a.values.Strongest(keys...)
	switch {
	case slices.Contains(given, "backend"):
		name = a.values.String("backend")
	case len(given) == 2:
		return "", usage("both a path and an address are given: say which of them with --backend")
	case len(given) == 0 && a.byDefault == "":
		return "", usage("the log is not named: give --path DIR, --address HOST:PORT of a server, or a --config with one of them")
	case len(given) == 0:
		name = a.byDefault
	case given[0] == "path":
		name = "file"
	case strings.HasPrefix(a.values.String("address"), "postgres://"), strings.HasPrefix(a.values.String("address"), "postgresql://"):
		name = "postgres"
	case strings.HasPrefix(a.values.String("address"), "nats://"):
		name = "jetstream"
	default:
		name = "network"
	}
	for _, s := range settings.Where() {
		used := len(s.Of) == 0 || slices.Contains(s.Of, name) || a.mirrors && slices.Contains(s.Of, "network") || a.isServer && (s.Key == "tls.cert" || s.Key == "tls.key" || s.Key == "max_frame")
		if !used && a.values.Given(s.Key) && slices.Contains(backend.Names(), name) {
			return "", usage("--%s is given, and backend %q does not use it", s.Flag(), name)
		}
	}
	return name, nil
}

// connection sets the fields of a Config that are needed to connect to a server.
func (a *app) connection(c *backend.Config, address string) error {
	v := a.values
	c.Address, c.Transport, c.Token = address, v.String("transport"), v.String("token")
	if network, address, explicit := splitAddress(c.Address); explicit {
		if c.Transport != "" && c.Transport != network {
			return usage("--address %s and --transport %s contradict each other", c.Address, c.Transport)
		}
		c.Transport, c.Address = network, address
	}
	if v.Bool("insecure_token") {
		c.Settings = map[string]any{"insecure_token": true}
	}
	return a.secrets(c)
}

// jetStream sets the fields of a Config that are needed to connect to NATS servers, and the name of the log.
func (a *app) jetStream(c *backend.Config) error {
	v := a.values
	c.Address, c.Token = v.String("address"), v.String("token")
	c.Settings = map[string]any{"log": cmp.Or(v.String("log_name"), "default"), "max_frame": v.Int("max_frame"), "must_exist": v.Bool("must_exist") || !a.create, "durable": v.Bool("durable"), "salvage": v.Bool("salvage")}
	if n := v.Int("replicas"); n != 0 {
		c.Settings["replicas"] = n
	}
	for _, key := range []string{"credentials", "nkey", "read"} {
		if text := v.String(key); text != "" {
			c.Settings[key] = text
		}
	}
	err := a.secrets(c)
	if a.isServer && c.TLS != nil { // the certificate is for clients
		if c.TLS.Cert, c.TLS.Key = "", ""; *c.TLS == (backend.TLS{}) && !v.Bool("tls.enabled") {
			c.TLS = nil
		}
	}
	return err
}

// secrets sets the token and the TLS settings of a Config.
func (a *app) secrets(c *backend.Config) error {
	v := a.values
	t := backend.TLS{CA: v.String("tls.ca"), Cert: v.String("tls.cert"), Key: v.String("tls.key"), ServerName: v.String("tls.server_name")}
	if t != (backend.TLS{}) || v.Bool("tls.enabled") {
		c.TLS = &t
	}
	if path := v.String("token_file"); path != "" && c.Token == "" {
		text, err := plaintext.ReadFile(path)
		if err == nil {
			text, err = plaintext.UTF8(text)
		}
		if err != nil {
			return fmt.Errorf("read the token in %s: %w", path, err)
		}
		c.Token = strings.TrimSpace(string(text))
	}
	return nil
}

// splitAddress returns the network and the address in tcp://host:port, unix:///path, unix:path, host:port or /path;
// explicit reports whether the text names the network.
func splitAddress(text string) (network, address string, explicit bool) {
	if network, address, ok := strings.Cut(text, "://"); ok {
		return network, address, true
	}
	if socket, ok := strings.CutPrefix(text, "unix:"); ok {
		return "unix", socket, true
	}
	if strings.Contains(text, "/") {
		return "unix", text, false
	}
	return "tcp", text, false
}

// outsideLog returns an error if path, a file that the command writes, is in the directory of a log, where only the log
// may have files. what names the path in the error. A path of "" or "-" is not a file.
func (a *app) outsideLog(what, path string) error {
	if path == "" || path == "-" {
		return nil
	}
	target, err := wholefile.Target(path)
	if err != nil {
		return err
	}
	log, own := a.values.String("path"), ""
	if log != "" {
		own = real(log)
	}
	for dir := real(filepath.Dir(target)); ; dir = filepath.Dir(dir) {
		if dir != own {
			log = dir
		}
		if dir == own || holdsLog(dir) {
			return usage("%s %s is in the directory of the log, %s, which is for the log's files alone: choose another place", what, path, log)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// real returns a path without links. The path may be missing.
func real(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if found, err := filepath.EvalSymlinks(path); err == nil || path == filepath.Dir(path) {
		return cmp.Or(found, path)
	}
	return filepath.Join(real(filepath.Dir(path)), filepath.Base(path))
}

// holdsLog reports whether a directory has the files of a log.
func holdsLog(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "LOCK")); err != nil {
		return false // without reading a directory that may be large
	}
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return logFile.MatchString(e.Name()) })
}

var logFile = regexp.MustCompile(`^\d{20}\.(wal|snap)$`)

// otherOwner returns a warning if a file that root is about to make will not belong to the owner of the file than;
// otherwise "".
func otherOwner(made, than string) string {
	if _, err := os.Stat(than); err != nil || os.Geteuid() != 0 {
		return ""
	}
	to, ok := wholefile.Owner(made)
	owner, known := wholefile.Owner(than)
	if !ok || !known || to == owner {
		return ""
	}
	return fmt.Sprintf("%s will belong to user %d, and %s belongs to user %d, who may be unable to use it", made, to, than, owner)
}

// warnOwner calls say with the warning of [otherOwner] about a file that is about to be made and the log in files, if
// there is one.
func (a *app) warnOwner(made string, say func(text string)) {
	if log := a.values.String("path"); log != "" && made != "" && made != "-" && !strings.HasPrefix(made, "/dev/") {
		if text := otherOwner(made, log); text != "" {
			say(text)
		}
	}
}

// say prints a message to the standard error.
func (a *app) say(text string) { fmt.Fprintln(a.err, "igniter:", text) }
