// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/internal/plaintext"
)

// A Certificate is a server's certificate and key, read from PEM files and reloaded when the files change. Use its method
// Get as tls.Config.GetCertificate. Its methods may be called concurrently.
type Certificate struct {
	certFile, keyFile string
	log               *zap.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]fileStamp
}

// A fileStamp changes when a file does.
type fileStamp struct {
	modified time.Time
	size     int64
}

// LoadCertificate reads a certificate and its key from PEM files. Reloads are logged to logger, if it is not nil.
func LoadCertificate(certFile, keyFile string, logger *zap.Logger) (*Certificate, error) {
	if logger == nil {
		logger = zap.NewNop()
	}
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: logger}
	c.stamp = c.stamps()
	current, err := c.load()
	if err != nil {
		return nil, err
	}
	c.current = current
	return c, nil
}

// Reload reads the files again even if they look unchanged. After an error the certificate is unchanged.
func (c *Certificate) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.stamps()
	next, err := c.load()
	if err == nil {
		c.current, c.stamp = next, now
	}
	return err
}

func (c *Certificate) load() (*tls.Certificate, error) {
	var pair tls.Certificate
	cert, err := plaintext.ReadFile(c.certFile)
	if err == nil {
		var key []byte
		if key, err = plaintext.ReadFile(c.keyFile); err == nil {
			pair, err = tls.X509KeyPair(cert, key)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("auth: load certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	return &pair, nil
}

func (c *Certificate) stamps() (s [2]fileStamp) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			s[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// Get returns the certificate. If the files have changed and do not match each other, it returns the previous
// certificate.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.stamps()
	if now == c.stamp {
		return c.current, nil
	}
	next, err := c.load()
	if err != nil {
		c.log.Warn("the certificate has changed and can't be read; the previous one stays in use", zap.Error(err))
		return c.current, nil
	}
	c.current, c.stamp = next, now
	c.log.Info("reloaded the certificate, which has changed", zap.String("path", c.certFile))
	return c.current, nil
}
