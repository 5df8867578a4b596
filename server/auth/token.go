// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// A TokenEntry says what a client with a token may do. Among its stores, "*" stands for all.
type TokenEntry struct {
	Name   string   `json:"name" yaml:"name"`               // unique; a client certificate with this common name stands for the token
	SHA256 string   `json:"sha256" yaml:"sha256"`           // of the token's text, in hex
	Read   []string `json:"read,omitempty" yaml:"read"`     // stores
	Write  []string `json:"write,omitempty" yaml:"write"`   // stores; stores whose names begin with "igniter." also need Admin
	Import bool     `json:"import,omitempty" yaml:"import"` // may write facts with a given transaction time, causation, hash and By
	Admin  bool     `json:"admin,omitempty" yaml:"admin"`   // may snapshot, prune, import and see server_status
}

// NewToken makes a random token, and an entry for it that grants nothing yet.
func NewToken(name string) (token string, entry TokenEntry) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(token))
	return token, TokenEntry{Name: name, SHA256: hex.EncodeToString(sum[:])}
}
