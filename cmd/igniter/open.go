package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
	_ "github.com/igniter-store/igniter/backend/file" // registers itself, like the others
	_ "github.com/igniter-store/igniter/backend/memory"
	_ "github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
)

// open opens the log that the settings name. One in a directory that is not there is made only if that is wanted.
func (a *app) open(ctx context.Context, make bool) (backend.Log, error) {
	name, config, err := a.place(a.byDefault)
	if err != nil {
		return nil, err
	}
	if name == "file" && !make {
		if _, err := os.Stat(config.Path); err != nil {
			return nil, fmt.Errorf("there is no log: %w; igniter put, import and serve make one", err)
		}
	}
	if config.Logger, err = a.logger("warn"); err != nil {
		return nil, err
	}
	log, err := backend.Open(ctx, name, config)
	if errors.Is(err, backend.ErrInvalid) {
		err = usageError{error: err}
	}
	return log, err
}

// What each backend uses of the settings, beside those of the log's own messages.
var uses = map[string][]string{
	"memory":  {},
	"file":    {"path", "sync", "sync_interval", "segment_size"},
	"network": {"address", "transport", "token", "token_file", "tls.enabled", "tls.ca", "tls.cert", "tls.key", "tls.server_name"},
}

// place returns which backend keeps the log, by default otherwise, and what to open it with. Flags that the
// backend does not use are an error; variables and files may hold what other commands use.
func (a *app) place(otherwise string) (name string, c backend.Config, err error) {
	if name, err = a.backendName(otherwise); err != nil {
		return "", c, err
	}
	v := a.values
	known, ours := uses[name]
	used := func(key string) bool { return !ours || slices.Contains(known, key) }
	for _, s := range settings.Where() {
		serving := a.isServer && (s.Key == "tls.cert" || s.Key == "tls.key")
		if s.Key != "backend" && !strings.HasPrefix(s.Key, "log.") && !used(s.Key) && v.Given(s.Key) && !serving {
			return "", c, usage("--%s is given, and backend %q does not use it", s.Flag(), name)
		}
	}
	if used("path") {
		c.Path = v.String("path")
	}
	if used("sync") {
		c.Settings = a.fileSettings()
	}
	if !used("address") {
		return name, c, nil
	}
	c.Address, c.Transport = v.String("address"), v.String("transport")
	if strings.Contains(c.Address, "://") || strings.HasPrefix(c.Address, "unix:") {
		network, address := splitAddress(c.Address)
		if c.Transport != "" && c.Transport != network {
			return "", c, usage("--address %s and --transport %s contradict each other", c.Address, c.Transport)
		}
		c.Transport, c.Address = network, address
	}
	c.TLS = a.tls()
	c.Token, err = a.token()
	return name, c, err
}

// backendName returns what keeps the log: what the strongest of flags, variables and file says of it.
func (a *app) backendName(otherwise string) (name string, err error) {
	name = otherwise
	a.values.Strongest(func(has func(string) bool) bool {
		path, address := has("path"), has("address")
		if a.isServer { // whom others talk to is no concern of it, unless somebody says so here
			address = a.values.Given("address")
		}
		switch {
		case has("backend"):
			name = a.values.String("backend")
		case path && address:
			err = usage("both a path and an address are given: say which of them with --backend")
		case path:
			name = "file"
		case address:
			name = "network"
		default:
			return false
		}
		return true
	})
	if err == nil && name == "" {
		err = usage("where is the log? Give --path DIR, or --address HOST:PORT of a server, or a --config that does")
	}
	return name, err
}

func (a *app) fileSettings() map[string]any {
	given := map[string]any{}
	if sync := a.values.String("sync"); sync != "" {
		given["sync"] = sync
	}
	if every := a.values.Duration("sync_interval"); every != 0 {
		given["sync_interval"] = every.String()
	}
	if size := a.values.Size("segment_size"); size != 0 {
		given["segment_size"] = size
	}
	return given
}

// token returns the token to show to a server.
func (a *app) token() (string, error) {
	path := a.values.String("token_file")
	if path == "" || a.values.String("token") != "" {
		return a.values.String("token"), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// tls returns how to secure connections to a server; nil: not at all.
func (a *app) tls() *backend.TLS {
	v := a.values
	t := backend.TLS{CA: v.String("tls.ca"), Cert: v.String("tls.cert"), Key: v.String("tls.key"), ServerName: v.String("tls.server_name")}
	if t == (backend.TLS{}) && !v.Bool("tls.enabled") {
		return nil
	}
	return &t
}

// splitAddress returns the network and the address in tcp://host:port, unix:///path, host:port or /path.
func splitAddress(text string) (network, address string) {
	if network, address, ok := strings.Cut(text, "://"); ok {
		return network, address
	}
	if socket, ok := strings.CutPrefix(text, "unix:"); ok {
		return "unix", socket
	}
	if strings.Contains(text, "/") {
		return "unix", text
	}
	return "tcp", text
}

// withLog opens the log that the settings name, which must be there, for a function.
func (a *app) withLog(ctx context.Context, with func(log backend.Log) error) error {
	return a.openFor(ctx, false, with)
}

// withNewLog is withLog for a log that may be new.
func (a *app) withNewLog(ctx context.Context, with func(log backend.Log) error) error {
	return a.openFor(ctx, true, with)
}

func (a *app) openFor(ctx context.Context, make bool, with func(log backend.Log) error) error {
	log, err := a.open(ctx, make)
	if err != nil {
		return err
	}
	return errors.Join(with(log), log.Close())
}
