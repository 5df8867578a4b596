package settings

import (
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/igniter-store/igniter/wire"
)

// Where says where the log is. Every command that looks at a log has these.
func Where() []Setting { return where }

// Serve says how a server works.
func Serve() []Setting { return serve }

// All returns every setting there is.
func All() []Setting { return all }

var where = []Setting{
	{Key: "backend", Default: "", Usage: "what keeps the log: memory, file or network; empty: file with --path, network with --address"},
	{Key: "path", Default: "", Usage: "directory of the log"},
	{Key: "address", Default: "", Usage: "server to talk to: host:port, tcp://host:port or unix:///path/of/socket"},
	{Key: "transport", Default: "", Usage: "tcp or unix; empty: what the address looks like"},
	{Key: "token", Default: "", Secret: true, Usage: "token to show to the server; better given as IGNITER_TOKEN or --token-file, since others see flags"},
	{Key: "token_file", Default: "", Usage: "file that holds the token"},
	{Key: "tls.enabled", Default: false, Usage: "use TLS with the system's authorities; other --tls flags imply it"},
	{Key: "tls.ca", Default: "", Usage: "PEM file of the authorities that the server's certificate must come from"},
	{Key: "tls.cert", Default: "", Usage: "PEM file of the certificate to show"},
	{Key: "tls.key", Default: "", Usage: "PEM file of its key"},
	{Key: "tls.server_name", Default: "", Usage: "name expected in the server's certificate; empty: the address's host"},
	{Key: "sync", Default: "", Usage: "when a file log counts a fact as written: always, interval or never; empty: always"},
	{Key: "sync_interval", Default: time.Duration(0), Usage: "how often --sync interval syncs; 0: 100ms"},
	{Key: "segment_size", Default: Size(0), Usage: "at what size a file log begins a new segment; 0: 64 MiB"},
	{Key: "log.format", Default: "console", Usage: "how to log: console or json"},
	{Key: "log.level", Default: "", Usage: "least level to log: debug, info, warn or error; empty: info for serve, else warn"},
}

var serve = []Setting{
	{Key: "listen", Default: []string{"tcp://127.0.0.1:7400"}, Usage: "where to listen: tcp://host:port or unix:///path; may be repeated"},
	{Key: "socket_mode", Default: "0660", Usage: "permissions of Unix sockets, in octal"},
	{Key: "http", Default: "", Usage: "where to serve HTTP (health, metrics, events): host:port, http://… or https://…; empty: nowhere"},
	{Key: "http_no_reads", Default: false, Usage: "do not answer HTTP requests for keys, for which all facts of their stores are kept in memory from the first one on"},
	{Key: "tokens", Default: "", Usage: "file of tokens that let clients in; empty: no token is asked for"},
	{Key: "tls.client_ca", Default: "", Usage: "PEM file of the authorities that clients' certificates must come from; empty: none is asked for"},
	{Key: "insecure", Default: false, Usage: "listen beyond this machine with neither tokens nor client certificates"},
	{Key: "max_connections", Default: 10_000, Usage: "how many connections to serve at once"},
	{Key: "max_frame", Default: Size(16 << 20), Max: wire.MaxMaxFrame, Usage: "the largest request, up to 64 MiB"},
	{Key: "max_requests", Default: 1024, Usage: "requests of one connection that wait to be answered"},
	{Key: "max_buffered", Default: Size(1 << 20), Usage: "bytes of one connection's requests that wait to be answered"},
	{Key: "max_streams", Default: 256, Usage: "HTTP streams (events, exports) to serve at once"},
	{Key: "frame_timeout", Default: 30 * time.Second, Usage: "how long a request may take to arrive"},
	{Key: "idle_timeout", Default: time.Duration(0), Usage: "how long a connection may be idle; 0: for ever"},
	{Key: "write_timeout", Default: 30 * time.Second, Usage: "how long a client may not take what is sent to it"},
	{Key: "heartbeat", Default: 5 * time.Second, Usage: "how often idle subscriptions are told that they are alive"},
	{Key: "slow_op", Default: time.Second, Usage: "requests that take longer are logged as slow"},
	{Key: "drain", Default: 10 * time.Second, Usage: "how long clients get to end when the server is told to stop"},
	{Key: "pid_file", Default: "", Usage: "file to write the process's ID to; empty: none"},
}

var all = slices.Concat(where, serve)

// Add makes the flags of some settings, and --config.
func Add(flags *pflag.FlagSet, settings ...Setting) {
	if flags.Lookup(configFlag) == nil {
		flags.String(configFlag, "", "YAML file that says what flags and variables do not")
	}
	for _, s := range settings {
		s.add(flags)
	}
}

const configFlag = "config"
