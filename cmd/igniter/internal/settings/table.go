// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"math"
	"slices"

	"github.com/igniter-store/igniter/wire"
)

// Where returns the settings that say where the log is. Every command that opens a log has them.
func Where() []Setting { return where }

// Serve returns the settings that say how a server works.
func Serve() []Setting { return serve }

// All returns all settings.
func All() []Setting { return all }

var where = []Setting{
	{Key: "backend", Type: Text, Usage: "what keeps the log: memory, file, network, postgres or jetstream; empty: file with --path, network with --address, postgres and jetstream with --address postgres://… and nats://…"},
	{Key: "path", Of: []string{"file"}, Type: Text, Usage: "directory of the log"},
	{Key: "address", Of: []string{"network", "postgres", "jetstream"}, Type: Text, Usage: "server that has the log: host:port, tcp://host:port or unix:///path/of/socket; for PostgreSQL a connection string, best without its password, which PGPASSWORD or ~/.pgpass keep from other users; for JetStream the URLs of its servers, with commas between them"},
	{Key: "log_name", Of: []string{"postgres", "jetstream"}, Type: Text, Usage: "name of the log in a PostgreSQL database, or in JetStream, where its stream is IGNITER_ and the name; empty: default"},
	{Key: "replicas", Of: []string{"jetstream"}, Type: Number, Default: "0", Usage: "how many servers have the stream, 1, 3 or 5; 0: of a new one 3, and 1 on a lone server"},
	{Key: "durable", Of: []string{"jetstream"}, Type: Bool, Default: "false", Usage: "the servers run with sync_interval: always, so that acknowledged facts survive a power cut"},
	{Key: "read", Of: []string{"jetstream"}, Type: Text, Usage: "quorum: ask a majority of the servers before each read; empty or leader: the one that leads, which may for some seconds not know that it was replaced"},
	{Key: "credentials", Of: []string{"jetstream"}, Type: Text, Usage: "file with the credentials of a NATS user"},
	{Key: "nkey", Of: []string{"jetstream"}, Type: Text, Usage: "file with the nkey seed of a NATS user"},
	{Key: "salvage", Of: []string{"jetstream"}, Type: Bool, Default: "false", Usage: "read what is left of a log whose last facts were taken away"},
	{Key: "transport", Of: []string{"network"}, Type: Text, Usage: "tcp or unix; empty: what the address looks like"},
	{Key: "token", Of: []string{"network", "jetstream"}, Type: Text, Secret: true, Usage: "token to show to the server; --token-file and IGNITER_TOKEN are safer, since other users can see flags"},
	{Key: "token_file", Of: []string{"network", "jetstream"}, Type: Text, Usage: "file that holds the token"},
	{Key: "insecure_token", Of: []string{"network"}, Type: Bool, Default: "false", Usage: "send the token to another machine without TLS, though it can be read on the way"},
	{Key: "tls.enabled", Of: []string{"network", "jetstream"}, Type: Bool, Default: "false", Usage: "use TLS with the system's authorities; other --tls flags imply it"},
	{Key: "tls.ca", Of: []string{"network", "jetstream"}, Type: Text, Usage: "PEM file of the authorities that may have issued the server's certificate"},
	{Key: "tls.cert", Of: []string{"network", "jetstream"}, Type: Text, Usage: "PEM file of the certificate to show"},
	{Key: "tls.key", Of: []string{"network", "jetstream"}, Type: Text, Usage: "PEM file of the certificate's key"},
	{Key: "tls.server_name", Of: []string{"network", "jetstream"}, Type: Text, Usage: "name expected in the server's certificate; empty: the address's host"},
	{Key: "sync", Of: []string{"file"}, Type: Text, Usage: "when a log in files acknowledges a fact: always (once it is on the disk), interval or never; empty: always"},
	{Key: "sync_interval", Of: []string{"file"}, Type: Duration, Default: "0", Usage: "how often --sync interval syncs; 0: 100ms"},
	{Key: "segment_size", Of: []string{"file"}, Type: Size, Default: "0", Max: math.MaxInt32, Usage: "size at which a log in files begins a new segment; 0: 64 MiB"},
	{Key: "max_frame", Of: []string{"file", "postgres", "jetstream"}, Type: Size, Default: "16MiB", Max: wire.MaxMaxFrame, Usage: "size of the largest fact, batch or request, up to 64 MiB; a log in files takes what is as large as the largest that it holds"},
	{Key: "must_exist", Of: []string{"file", "jetstream"}, Type: Bool, Default: "false", Usage: "fail instead of beginning a new log where there is none, as when its file system is not mounted"},
	{Key: "log.format", Type: Text, Default: "console", Usage: "format of log messages: console or json"},
	{Key: "log.level", Type: Text, Usage: "lowest level to log: debug, info, warn or error; empty: info for serve, warn otherwise"},
}

// MaxSkew is a setting of serve that import has too.
var MaxSkew = Setting{Key: "max_skew", Type: Duration, Default: "1m", Usage: "how far ahead of the clock the transaction times of imported facts may be"}

// From is a setting of mirror.
var From = Setting{Key: "from", Type: Text, Usage: "server whose log is copied: host:port, tcp://host:port or unix:///path; the token and TLS settings are for it"}

var serve = []Setting{
	{Key: "listen", Type: List, Default: "tcp://127.0.0.1:7400", Usage: "where to listen: tcp://host:port or unix:///path; may be repeated"},
	{Key: "socket_mode", Type: Text, Default: "0660", Usage: "permissions of Unix sockets, in octal"},
	{Key: "http", Type: Text, Usage: "where to serve HTTP (health, metrics, events): host:port, http://… or https://…; empty: nowhere"},
	{Key: "read_only", Type: Bool, Default: "false", Usage: "take no writes and prune nothing, as for a mirror"},
	{Key: "http_ui", Type: Bool, Default: "true", Usage: "serve the inspector, for browsers, below /ui/"},
	{Key: "http_memory", Type: Size, Default: "256MiB", Usage: "memory that stores may take, by estimate, to answer HTTP requests about many keys, and by default at most an eighth of the memory limit; requests for one key read the log if their store is not in memory"},
	{Key: "http_origin", Type: List, Usage: "websites, such as https://shop.example, whose scripts may read and write over HTTP, with a token"},
	{Key: "tokens", Type: Text, Usage: "file of the tokens that clients may show; empty: clients need no token"},
	{Key: "stamp_producer", Type: Bool, Default: "false", Usage: "write the name of the token or certificate that a client shows into each fact that it writes, as by; an import says itself who wrote its facts"},
	{Key: "tls.client_ca", Type: Text, Usage: "PEM file of the authorities that may have issued clients' certificates; empty: clients need no certificate"},
	{Key: "insecure", Type: Bool, Default: "false", Usage: "listen beyond this machine with neither tokens nor client certificates"},
	{Key: "http_hosts", Type: List, Usage: "names of this machine that HTTP requests may be for where no tokens are asked for, beside localhost and addresses"},
	{Key: "hello_timeout", Type: Duration, Default: "5s", Usage: "how long a client may take to show its token or certificate, where one is asked for"},
	{Key: "max_waiting", Type: Number, Default: "1024", Usage: "how many connections may have shown neither yet; a further one takes the place of the oldest"},
	{Key: "max_waiting_each", Type: Number, Default: "256", Usage: "how many of these from one address"},
	{Key: "max_connections", Type: Number, Default: "10000", Usage: "how many connections to serve at once; by default at most one for each 128 KiB of the memory limit"},
	{Key: "max_connections_each", Type: Number, Default: "0", Usage: "how many connections one token may have; 0: seven eighths of them"},
	{Key: "max_memory", Type: Size, Default: "0", Usage: "memory that requests and answers may take; 0: half of the memory limit (GOMEMLIMIT, or by the cgroup or RLIMIT_DATA), or 1 GiB without one"},
	{Key: "max_memory_each", Type: Size, Default: "0", Usage: "memory that those of one token may take; 0: half of --max-memory"},
	{Key: "max_memory_connection", Type: Size, Default: "0", Usage: "memory that those of one connection may take; 0: a quarter of --max-memory, or what a frame of --max-frame takes if that is more"},
	{Key: "max_subscriptions", Type: Number, Default: "4096", Usage: "how many replays and subscriptions to serve at once"},
	{Key: "max_subscriptions_each", Type: Number, Default: "0", Usage: "how many of them one token may have; 0: a quarter"},
	{Key: "max_requests", Type: Number, Default: "1024", Usage: "how many requests of one connection may wait for their answers"},
	{Key: "max_buffered", Type: Size, Default: "1MiB", Usage: "how many bytes of one connection's requests may wait for their answers"},
	{Key: "max_streams", Type: Number, Default: "256", Usage: "how many HTTP streams (events, exports) to serve at once"},
	{Key: "max_streams_each", Type: Number, Default: "0", Usage: "how many HTTP streams one token may have; 0: a quarter"},
	{Key: "frame_timeout", Type: Duration, Default: "30s", Usage: "how long a request may take to arrive"},
	{Key: "idle_timeout", Type: Duration, Default: "0", Usage: "how long a connection may be idle; 0: no limit"},
	{Key: "write_timeout", Type: Duration, Default: "30s", Usage: "how long a client may take to read what is sent to it"},
	{Key: "heartbeat", Type: Duration, Default: "5s", Usage: "how often idle subscriptions get a heartbeat"},
	{Key: "slow_op", Type: Duration, Default: "1s", Usage: "requests that take longer are logged as slow"},
	MaxSkew,
	{Key: "drain", Type: Duration, Default: "10s", Usage: "how long clients may take to finish when the server stops"},
	{Key: "exit_on_failure", Type: Bool, Default: "false", Usage: "stop with an error once the log must be opened again, because its storage failed or holds another log, so that what watches over the service starts it again"},
	{Key: "pid_file", Type: Text, Usage: "file to write the process ID to; empty: none"},
}

var all = slices.Concat(where, serve, []Setting{From})
