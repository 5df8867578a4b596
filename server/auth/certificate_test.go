// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/server/auth"
)

// issue returns a self-signed certificate and its key in PEM form.
func issue(t *testing.T, name string) (cert, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	text, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text})
}

// TestReload: Reload also reads files that look unchanged. If they are invalid, it returns an error, and the certificate
// stays unchanged.
func TestReload(t *testing.T) {
	dir, when := t.TempDir(), time.Now()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(cert, key []byte) {
		for path, text := range map[string][]byte{certFile: cert, keyFile: key} {
			require.NoError(t, os.WriteFile(path, text, 0o600))
			require.NoError(t, os.Chtimes(path, when, when))
		}
	}
	cert1, key1 := issue(t, "one")
	cert2, key2 := issue(t, "two")
	for len(cert2) != len(cert1) || len(key2) != len(key1) { // so that size and time show no change
		cert2, key2 = issue(t, "two")
	}
	write(cert1, key1)
	c, err := auth.LoadCertificate(certFile, keyFile, nil)
	require.NoError(t, err)
	name := func() string {
		current, err := c.Get(nil)
		require.NoError(t, err)
		return current.Leaf.Subject.CommonName
	}
	require.Equal(t, "one", name())
	write(cert2, key2)
	require.Equal(t, "one", name(), "the files look unchanged")
	require.NoError(t, c.Reload())
	require.Equal(t, "two", name())
	write(cert1, key2)
	require.ErrorContains(t, c.Reload(), certFile)
	require.Equal(t, "two", name())
	require.NoError(t, os.Remove(keyFile))
	require.ErrorIs(t, c.Reload(), os.ErrNotExist)
	require.Equal(t, "two", name())
}
