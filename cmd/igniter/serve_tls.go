// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/cmd/igniter/internal/settings"
	"github.com/igniter-store/igniter/internal/plaintext"
	"github.com/igniter-store/igniter/server/auth"
)

// A security is what secures a server's connections.
type security struct {
	cert     *auth.Certificate
	clientCA string // file; "": clients need no certificates
	pool     atomic.Pointer[x509.CertPool]
}

// newSecurity reads the files that the settings name. It returns nil if they name none.
func newSecurity(v *settings.Values, log *zap.Logger) (*security, error) {
	cert, key := v.String("tls.cert"), v.String("tls.key")
	s := &security{clientCA: v.String("tls.client_ca")}
	switch {
	case cert == "" && key == "" && s.clientCA == "":
		return nil, nil
	case cert == "" || key == "":
		return nil, usage("--tls-cert and --tls-key go together, and --tls-client-ca needs both")
	}
	var err error
	if s.cert, err = auth.LoadCertificate(cert, key, log); err != nil {
		return nil, err
	}
	if s.clientCA != "" {
		err = s.readPool()
	}
	return s, err
}

// config returns a configuration of TLS. clients says which certificates clients must show, if there are authorities for
// them.
func (s *security) config(clients tls.ClientAuthType) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.cert.Get}
	if s.clientCA == "" {
		return c
	}
	c.ClientAuth, c.ClientCAs = clients, s.pool.Load()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := c.Clone()
		now.GetConfigForClient, now.ClientCAs = nil, s.pool.Load()
		return now, nil
	}
	return c
}

func (s *security) readPool() error {
	pem, err := plaintext.ReadFile(s.clientCA)
	if err != nil {
		return fmt.Errorf("read the authorities of clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("read the authorities of clients: %s has no certificate in PEM form", s.clientCA)
	}
	s.pool.Store(pool)
	return nil
}

// reload reads the files again. If one can't be read, its previous contents stay in use.
func (s *security) reload() error {
	err := s.cert.Reload()
	if s.clientCA != "" {
		err = errors.Join(err, s.readPool())
	}
	return err
}
