// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// AppendCanonical appends the canonical form of the JSON value src to dst. If src is not JSON as
// facts hold it, the error is a *backend.InvalidError and dst is returned unchanged. It allocates
// nothing if dst has room, except for objects of more than 16 keys. dst must not overlap src.
func AppendCanonical(dst, src []byte) ([]byte, error) {
	dst, err := jsonvalue.AppendCanonical(dst, src, backend.MaxDepth)
	if err != nil {
		return dst, &backend.InvalidError{Field: "value", Reason: err.Error()}
	}
	return dst, nil
}

// maxKept limits the size of a buffer that is kept for the next value.
const maxKept = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// HashLen is the length of a hash.
const HashLen = 2 * sha256.Size

// Hash returns the lower-case hex SHA-256 of the canonical form of the JSON value src, which is the
// value_hash of a fact with that value. If src is not JSON as facts hold it, the error is a
// *backend.InvalidError.
func Hash(src []byte) (string, error) {
	var text [HashLen]byte
	hash, err := AppendHash(text[:0], src)
	return string(hash), err
}

// AppendHash appends the [Hash] of src to dst. After an error it returns dst unchanged.
func AppendHash(dst, src []byte) ([]byte, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	form, err := jsonvalue.Canonical(buf, src, backend.MaxDepth)
	if err != nil {
		return dst, &backend.InvalidError{Field: "value", Reason: err.Error()}
	}
	dst = appendHash(dst, form)
	if cap(*buf) > maxKept {
		*buf = nil
	}
	return dst, nil
}

// HashCanonical returns the hash of a value in canonical form.
func HashCanonical(form []byte) string {
	var text [HashLen]byte
	return string(appendHash(text[:0], form))
}

func appendHash(dst, form []byte) []byte {
	sum := sha256.Sum256(form)
	return hex.AppendEncode(dst, sum[:])
}
