// SPDX-License-Identifier: Apache-2.0

package jetstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// Options configure a log. All fields except URL may be zero.
type Options struct {
	URL      string // of the servers, separated by commas, as for nats.Connect
	Log      string // the log's name: 1 to 64 letters, digits, _ and -; "": default
	Replicas int    // of the stream: 1, 3 or 5; 0: any number for an existing stream; for a new one, 3 in a cluster and 1 on a single server
	MaxFrame int    // limits the bytes of the body of a fact's or batch's frame; 0: wire.DefaultMaxFrame, 16 MiB

	// Durable asserts that each server runs with sync_interval: always, so that an acknowledged fact survives a power cut
	// of all servers. It only sets Stats.DurableSeq.
	Durable bool

	// Quorum makes each Replay, the beginning of a Follow, each Stats, and each batch that only has expectations append a
	// small message, or wait for a write in flight. Without it, a process that is connected to a server which was cut off
	// from the others may read an old state of the log for some ten seconds, until the server notices. In a configuration
	// file: read: quorum.
	Quorum bool

	// MustExist makes Open return a *backend.InvalidError instead of creating the stream.
	MustExist bool

	// Salvage opens a log whose last facts were removed, so that the remaining facts can be exported to a new log. The log
	// takes no writes. A log that lacks facts before its end is still a *backend.CorruptError.
	Salvage bool

	Credentials string      // path of a credentials file, with a user's JWT and seed; "": none
	NKey        string      // path of a file with a user's nkey seed; "": none
	Token       string      // "": none
	TLS         *tls.Config // nil: according to the URL

	Now    func() time.Time // returns transaction times; nil: time.Now
	Logger *zap.Logger      // for messages that an operator must see; nil: nothing is logged

	ancestors []backend.Ancestor // of a new stream
	mustBeNew bool
}

var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (o *Options) check() error {
	o.Log = cmp.Or(o.Log, "default")
	switch {
	case o.URL == "":
		return &backend.InvalidError{Field: "address", Reason: "empty: it names the NATS servers, such as nats://127.0.0.1:4222"}
	case !names.MatchString(o.Log):
		return &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("%.100q is not 1 to 64 letters, digits, _ and -", o.Log)}
	case o.Replicas < 0 || o.Replicas > 5 || o.Replicas%2 == 0 && o.Replicas != 0:
		return &backend.InvalidError{Field: "replicas", Reason: fmt.Sprintf("%d is not 1, 3 or 5", o.Replicas)}
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return nil
}

// connectTimeout limits the time of one attempt to connect.
const connectTimeout = 5 * time.Second

// dialOptions returns the options of the connection, except for the handlers.
func (o *Options) dialOptions(pace *pace) ([]nats.Option, error) {
	all := []nats.Option{
		nats.Name("igniter " + o.Log),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // an operator may correct it
		nats.ReconnectBufSize(-1),   // a publish without a connection must fail at once
		nats.Timeout(connectTimeout),
		nats.SetCustomDialer(&dialer{net.Dialer{Timeout: connectTimeout}, pace}),
		nats.PingInterval(5 * time.Second), // so that bytes arrive; line notices if none do
		nats.MaxPingsOutstanding(12),
	}
	if o.Credentials != "" {
		all = append(all, nats.UserCredentials(o.Credentials))
	}
	if o.NKey != "" {
		seed, err := nats.NkeyOptionFromSeed(o.NKey)
		if err != nil {
			return nil, &backend.InvalidError{Field: "nkey", Reason: err.Error()}
		}
		all = append(all, seed)
	}
	if o.Token != "" {
		all = append(all, nats.Token(o.Token))
	}
	if o.TLS != nil {
		all = append(all, nats.Secure(o.TLS))
	}
	return all, nil
}

func init() {
	backend.Register("jetstream", func(ctx context.Context, c backend.Config) (backend.Backend, error) {
		o, err := fromConfig(c)
		if err != nil {
			return nil, err
		}
		return Open(ctx, o)
	})
}

// fromConfig reads the settings log, replicas, durable, read, must_exist, salvage, max_frame, credentials and nkey.
func fromConfig(c backend.Config) (Options, error) {
	if err := c.Only("jetstream", "address", "token", "tls", "log", "replicas", "durable", "must_exist", "salvage", "max_frame", "credentials", "nkey", "read"); err != nil {
		return Options{}, err
	}
	o := Options{URL: c.Address, Token: c.Token, Logger: c.Logger}
	var read string
	for name, field := range map[string]*string{"read": &read, "log": &o.Log, "credentials": &o.Credentials, "nkey": &o.NKey} {
		if v, ok := c.Settings[name]; ok {
			if *field, ok = v.(string); !ok {
				return o, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%v is not a text", v)}
			}
		}
	}
	for name, field := range map[string]*bool{"durable": &o.Durable, "must_exist": &o.MustExist, "salvage": &o.Salvage} {
		if v, ok := c.Settings[name]; ok {
			if *field, ok = v.(bool); !ok {
				return o, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%v is neither true nor false", v)}
			}
		}
	}
	for name, field := range map[string]*int{"replicas": &o.Replicas, "max_frame": &o.MaxFrame} {
		n, err := c.WholeNumber(name)
		if err != nil {
			return o, err
		}
		if n > 1<<30 {
			return o, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%d is too large", n)}
		}
		*field = int(n)
	}
	switch read {
	case "", "leader":
	case "quorum":
		o.Quorum = true
	default:
		return o, &backend.InvalidError{Field: "read", Reason: fmt.Sprintf("%.100q is neither leader nor quorum", read)}
	}
	var err error
	if c.TLS != nil {
		o.TLS, err = tlsConfig(c.TLS)
	}
	return o, err
}

func tlsConfig(t *backend.TLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &backend.InvalidError{Field: "tls.ca", Reason: err.Error()}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &backend.InvalidError{Field: "tls.ca", Reason: t.CA + " has no certificate in PEM form"}
		}
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, &backend.InvalidError{Field: "tls.cert", Reason: err.Error()}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
