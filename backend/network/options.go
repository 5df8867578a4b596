// SPDX-License-Identifier: Apache-2.0

package network

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// Options configure a connection to a server. All fields except Address may be zero.
type Options struct {
	Address   string      // host:port, or the path of a Unix socket
	Transport string      // "tcp" or "unix"; "": unix if Address has a slash, otherwise tcp
	TLS       *tls.Config // nil: no TLS. An empty ServerName stands for the host of Address
	Token     string      // identifies the caller to the server; "": none

	// InsecureToken allows the token to be sent without TLS to another machine. Anybody on the network path can read it.
	InsecureToken bool

	DialTimeout time.Duration // how long one attempt to connect may take; 0: 5 s
	Heartbeat   time.Duration // the interval of the server's heartbeats; a connection counts as lost after three intervals of silence; 0: 5 s

	// The client waits before each further attempt to connect: MinBackoff at first, then longer, up to MaxBackoff. Each
	// wait is changed at random by up to a half. 0: 50 ms and 3 s.
	MinBackoff, MaxBackoff time.Duration

	Logger *zap.Logger // for connections made and lost; nil: nothing is logged

	dial func(ctx context.Context, network, address string) (net.Conn, error) // for tests; nil: net.Dialer
}

func (o Options) withDefaults() (Options, error) {
	if o.Address == "" {
		return o, &backend.InvalidError{Field: "address", Reason: "missing: give the server's host:port, or the path of its socket"}
	}
	switch o.Transport {
	case "":
		if o.Transport = "tcp"; strings.Contains(o.Address, "/") {
			o.Transport = "unix"
		}
	case "tcp", "unix":
	default:
		return o, &backend.InvalidError{Field: "transport", Reason: fmt.Sprintf("%q is neither %q nor %q", o.Transport, "tcp", "unix")}
	}
	host, port, err := net.SplitHostPort(o.Address)
	if o.Transport == "tcp" && (err != nil || port == "") {
		return o, &backend.InvalidError{Field: "address", Reason: fmt.Sprintf("%q is not host:port, such as localhost:7400 or [::1]:7400", o.Address)}
	}
	if o.Token != "" && o.TLS == nil && o.Transport == "tcp" && !o.InsecureToken && !isLoopback(host) {
		return o, &backend.InvalidError{Field: "token", Reason: fmt.Sprintf("it would be sent to %s without TLS, and could be read on the way: use TLS, or set insecure_token if that is intended", o.Address)}
	}
	for field, value := range map[*time.Duration]time.Duration{
		&o.DialTimeout: 5 * time.Second, &o.Heartbeat: 5 * time.Second, &o.MinBackoff: 50 * time.Millisecond, &o.MaxBackoff: 3 * time.Second,
	} {
		*field = cmp.Or(max(*field, 0), value)
	}
	if o.TLS != nil && o.TLS.ServerName == "" {
		o.TLS = o.TLS.Clone()
		o.TLS.ServerName = host
	}
	o.Logger = cmp.Or(o.Logger, zap.NewNop())
	if o.dial == nil {
		o.dial = new(net.Dialer).DialContext
	}
	return o, nil
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// The name for backend.Open is "network". It uses the Config's Address, Transport, TLS and Token, and the setting
// "insecure_token", true or false.
func init() {
	backend.Register("network", func(ctx context.Context, c backend.Config) (backend.Backend, error) {
		o, err := optionsOf(c)
		if err != nil {
			return nil, err
		}
		return Dial(ctx, o)
	})
}

func optionsOf(c backend.Config) (Options, error) {
	o := Options{Address: c.Address, Transport: c.Transport, Token: c.Token, Logger: c.Logger}
	if err := c.Only("network", "address", "transport", "tls", "token", "insecure_token"); err != nil {
		return o, err
	}
	if v, ok := c.Settings["insecure_token"]; ok {
		if o.InsecureToken, ok = v.(bool); !ok {
			return o, &backend.InvalidError{Field: "insecure_token", Reason: fmt.Sprintf("%v is neither true nor false", v)}
		}
	}
	if c.TLS != nil {
		var err error
		if o.TLS, err = tlsOf(c.TLS); err != nil {
			return o, err
		}
	}
	return o, nil
}

// tlsOf reads the files that t names.
func tlsOf(t *backend.TLS) (*tls.Config, error) {
	config := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("network: read the certificate authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &backend.InvalidError{Field: "tls.ca", Reason: t.CA + " has no PEM certificate"}
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, &backend.InvalidError{Field: "tls.cert", Reason: "give a certificate and its key together, or neither"}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("network: read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
