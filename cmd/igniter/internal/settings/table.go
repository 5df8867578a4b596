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
	{Key: "backend", Type: Text, Usage: "where the log is kept: memory, file, network, postgres or jetstream; empty: file with --path, network with --address, postgres and jetstream with --address postgres://… and nats://…"},
	{Key: "path", Of: []string{"file"}, Type: Text, Usage: "directory of the log"},
	{Key: "address", Of: []string{"network", "postgres", "jetstream"}, Type: Text, Usage: "server that has the log: host:port, tcp://host:port or unix:///path/of/socket; for PostgreSQL a connection string, best without its password, which PGPASSWORD or ~/.pgpass keep from other users; for JetStream the URLs of its servers, with commas between them"},
	{Key: "log_name", Of: []string{"postgres", "jetstream"}, Type: Text, Usage: "name of the log in a PostgreSQL database or in JetStream, where the stream is IGNITER_NAME; empty: default"},
	{Key: "replicas", Of: []string{"jetstream"}, Type: Number, Default: "0", Usage: "how many servers keep the stream, 1, 3 or 5; 0: 3 for a new stream, or 1 on a single server"},
	{Key: "durable", Of: []string{"jetstream"}, Type: Bool, Default: "false", Usage: "the servers run with sync_interval: always, so that acknowledged facts survive a power cut"},
	{Key: "read", Of: []string{"jetstream"}, Type: Text, Usage: "quorum: ask a majority of the servers before each read; leader (the default): ask only the leader, which may not know for some seconds that it was replaced"},
	{Key: "credentials", Of: []string{"jetstream"}, Type: Text, Usage: "file with the credentials of a NATS user"},
	{Key: "nkey", Of: []string{"jetstream"}, Type: Text, Usage: "file with the nkey seed of a NATS user"},
	{Key: "salvage", Of: []string{"jetstream"}, Type: Bool, Default: "false", Usage: "read the facts that are left of a log whose last facts were removed"},
	{Key: "transport", Of: []string{"network"}, Type: Text, Usage: "tcp or unix; empty: depends on the form of the address"},
	{Key: "token", Of: []string{"network", "jetstream"}, Type: Text, Secret: true, Usage: "token to show to the server; --token-file and IGNITER_TOKEN are safer, since other users can see flags"},
	{Key: "token_file", Of: []string{"network", "jetstream"}, Type: Text, Usage: "file that holds the token"},
	{Key: "insecure_token", Of: []string{"network"}, Type: Bool, Default: "false", Usage: "send the token to another machine without TLS, although others on the network can read it"},
	{Key: "tls.enabled", Of: []string{"network", "jetstream"}, Type: Bool, Default: "false", Usage: "use TLS with the system's authorities; other --tls flags imply it"},
	{Key: "tls.ca", Of: []string{"network", "jetstream"}, Type: Text, Usage: "PEM file of the authorities that may have issued the server's certificate"},
	{Key: "tls.cert", Of: []string{"network", "jetstream"}, Type: Text, Usage: "PEM file of the certificate to show"},
	{Key: "tls.key", Of: []string{"network", "jetstream"}, Type: Text, Usage: "PEM file of the certificate's key"},
	{Key: "tls.server_name", Of: []string{"network", "jetstream"}, Type: Text, Usage: "name expected in the server's certificate; empty: the address's host"},
	{Key: "sync", Of: []string{"file"}, Type: Text, Usage: "when a log in files acknowledges a fact: always (once it is on the disk), interval or never; empty: always"},
	{Key: "sync_interval", Of: []string{"file"}, Type: Duration, Default: "0", Usage: "how often --sync interval syncs; 0: 100ms"},
	{Key: "segment_size", Of: []string{"file"}, Type: Size, Default: "0", Max: math.MaxInt32, Usage: "size at which a log in files begins a new segment; 0: 64 MiB"},
	{Key: "max_frame", Of: []string{"file", "postgres", "jetstream"}, Type: Size, Default: "16MiB", Max: wire.MaxMaxFrame, Usage: "size of the largest fact, batch or request, up to 64 MiB; a log in files that holds larger ones accepts that size"},
	{Key: "must_exist", Of: []string{"file", "jetstream"}, Type: Bool, Default: "false", Usage: "fail if there is no log, instead of creating one: for instance if its file system is not mounted"},
	{Key: "log.format", Type: Text, Default: "console", Usage: "format of log messages: console or json"},
	{Key: "log.level", Type: Text, Usage: "lowest level to log: debug, info, warn or error; empty: info for serve, warn otherwise"},
}

// MaxSkew is a setting of serve and import.
var MaxSkew = Setting{Key: "max_skew", Type: Duration, Default: "1m", Usage: "how far ahead of the clock the transaction times of imported facts may be"}

// From is a setting of mirror.
var From = Setting{Key: "from", Type: Text, Usage: "server whose log is copied: host:port, tcp://host:port or unix:///path; the token and TLS settings are for it"}

var serve = []Setting{
	{Key: "listen", Type: List, Default: "tcp://127.0.0.1:7400", Usage: "where to listen: tcp://host:port or unix:///path; may be repeated"},
	{Key: "socket_mode", Type: Text, Default: "0660", Usage: "permissions of Unix sockets, in octal"},
	{Key: "http", Type: Text, Usage: "where to serve HTTP (health, metrics, events): host:port, http://… or https://…; empty: nowhere"},
	{Key: "read_only", Type: Bool, Default: "false", Usage: "refuse writes and prunes, as for a mirror"},
	{Key: "http_ui", Type: Bool, Default: "true", Usage: "serve the inspector, for browsers, below /ui/"},
	{Key: "http_memory", Type: Size, Default: "256MiB", Usage: "estimated memory for stores that are loaded to answer HTTP requests about many keys; the default is at most an eighth of the memory limit; requests for one key read the log if their store is not loaded"},
	{Key: "http_origin", Type: List, Usage: "websites, such as https://shop.example, whose scripts may read and write over HTTP, with a token"},
	{Key: "tokens", Type: Text, Usage: "file of the tokens that clients may show; empty: clients need no token"},
	{Key: "stamp_producer", Type: Bool, Default: "false", Usage: "set the field by of each fact to the name of the client's token or certificate; imported facts keep their own"},
	{Key: "tls.client_ca", Type: Text, Usage: "PEM file of the authorities that may have issued clients' certificates; empty: clients need no certificate"},
	{Key: "insecure", Type: Bool, Default: "false", Usage: "listen beyond this machine with neither tokens nor client certificates"},
	{Key: "http_hosts", Type: List, Usage: "without tokens: names of this machine that HTTP requests may use, beside localhost and addresses"},
	{Key: "hello_timeout", Type: Duration, Default: "5s", Usage: "how long a client may take to show its token or certificate, if one is required"},
	{Key: "max_waiting", Type: Number, Default: "1024", Usage: "how many connections may not have shown a token or certificate yet; a further one replaces the oldest"},
	{Key: "max_waiting_each", Type: Number, Default: "256", Usage: "how many of these may come from one address"},
	{Key: "max_connections", Type: Number, Default: "10000", Usage: "how many connections to serve at once; by default at most one for each 128 KiB of the memory limit"},
	{Key: "max_connections_each", Type: Number, Default: "0", Usage: "how many connections one token may have; 0: seven eighths of --max-connections"},
	{Key: "max_memory", Type: Size, Default: "0", Usage: "memory for requests and answers; 0: half of the memory limit (from GOMEMLIMIT, the cgroup or RLIMIT_DATA), or 1 GiB without a limit"},
	{Key: "max_memory_each", Type: Size, Default: "0", Usage: "memory for requests and answers of one token; 0: half of --max-memory"},
	{Key: "max_memory_connection", Type: Size, Default: "0", Usage: "memory for requests and answers of one connection; 0: a quarter of --max-memory, or enough for a frame of --max-frame if that is more"},
	{Key: "max_subscriptions", Type: Number, Default: "4096", Usage: "how many replays and subscriptions to serve at once"},
	{Key: "max_subscriptions_each", Type: Number, Default: "0", Usage: "how many replays and subscriptions one token may have; 0: a quarter of --max-subscriptions"},
	{Key: "max_requests", Type: Number, Default: "1024", Usage: "how many requests of one connection may wait for their answers"},
	{Key: "max_buffered", Type: Size, Default: "1MiB", Usage: "how many bytes of one connection's requests may wait for their answers"},
	{Key: "max_streams", Type: Number, Default: "256", Usage: "how many HTTP streams (events, exports) to serve at once"},
	{Key: "max_streams_each", Type: Number, Default: "0", Usage: "how many HTTP streams one token may have; 0: a quarter of --max-streams"},
	{Key: "frame_timeout", Type: Duration, Default: "30s", Usage: "how long a request may take to arrive"},
	{Key: "idle_timeout", Type: Duration, Default: "0", Usage: "how long a connection may be idle; 0: no limit"},
	{Key: "write_timeout", Type: Duration, Default: "30s", Usage: "how long a client may take to read an answer"},
	{Key: "heartbeat", Type: Duration, Default: "5s", Usage: "how often idle subscriptions get a heartbeat"},
	{Key: "slow_op", Type: Duration, Default: "1s", Usage: "requests that take longer are logged as slow"},
	MaxSkew,
	{Key: "drain", Type: Duration, Default: "10s", Usage: "how long clients may take to finish when the server stops"},
	{Key: "exit_on_failure", Type: Bool, Default: "false", Usage: "exit with an error once the log must be opened again, because its storage failed or holds another log, so that a supervisor such as systemd restarts the server"},
	{Key: "pid_file", Type: Text, Usage: "file to write the process ID to"},
}

var all = slices.Concat(where, serve, []Setting{From})
