// SPDX-License-Identifier: Apache-2.0

// Package wiretest is for tests of the codec and the protocol.
package wiretest

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// Typical returns a fact whose log form is 420 bytes long, such as a task of a small app.
func Typical() backend.Fact {
	return backend.Fact{
		Seq:             1234567,
		ID:              "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76b",
		Store:           "tasks",
		Key:             "task-0000001",
		Value:           []byte(`{"amount":10.26,"owner":"user-000001@accounts.example.org","priority":1,"status":"done","title":"Account review 01"}`),
		ValueHash:       "4237ce89e3ecd0e62cfeac5064201ae4096d93ac9cc0566cbc38538645fdc717",
		Causation:       "0197c0de-8c1a-7055-9dd2-e6a1ec8aa76a",
		TransactionTime: time.Unix(1795467633, 816713600).UTC(),
		SchemaVersion:   1,
		Producer:        []byte(`{"name":"web-1"}`),
	}
}

// ReadFrames returns the bodies of a stream's frames, the offset at which they end, and the error that ended the stream.
func ReadFrames(stream []byte) (bodies [][]byte, offset int64, err error) {
	r := wire.NewReader(bytes.NewReader(stream), 0)
	for {
		body, err := r.Next()
		if err != nil {
			return bodies, r.Offset(), err
		}
		bodies = append(bodies, body)
	}
}

// RequireRubyFact requires that a fact written by Ruby is read and written again byte for byte.
func RequireRubyFact(t testing.TB, body []byte) {
	f, err := wire.CheckFact(body)
	require.NoError(t, err)
	require.NoError(t, f.Validate())
	require.Equal(t, string(body), string(protocol.AppendFactV1(nil, &f)))
	hash, err := wire.Hash(f.Value)
	require.NoError(t, err)
	require.Equal(t, f.ValueHash, hash)

	g, err := wire.ParseFact(wire.AppendFact(nil, &f))
	require.NoError(t, err)
	require.Equal(t, f, g, "the log form holds the same fact")
}
