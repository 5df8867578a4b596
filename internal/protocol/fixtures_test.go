// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// The files under testdata were recorded from the Ruby system.

// typical is a fact whose log form is 420 bytes long, as a task of a small app would be.
func typical() backend.Fact {
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

// readFrames returns the bodies of a stream's frames and the error that ended it.
func readFrames(stream []byte) (bodies [][]byte, err error) {
	r := wire.NewReader(bytes.NewReader(stream), 0)
	for {
		body, err := r.Next()
		if err != nil {
			return bodies, err
		}
		bodies = append(bodies, body)
	}
}

// requireRubyFact requires that a fact written by Ruby is read and written again byte for byte.
func requireRubyFact(t testing.TB, body []byte) {
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

func TestRubyConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, 15)
	facts := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var conversation struct {
				Turns []struct {
					Hex    string
					Frames []struct {
						Offset, Len int
						CRC         string
						Body        string
					}
				}
			}
			require.NoError(t, json.Unmarshal(data, &conversation))
			for _, turn := range conversation.Turns {
				stream, err := hex.DecodeString(turn.Hex)
				require.NoError(t, err)
				bodies, err := readFrames(stream)
				require.Equal(t, io.EOF, err)
				require.Len(t, bodies, len(turn.Frames))
				again := []byte{}
				for i, body := range bodies {
					require.Equal(t, turn.Frames[i].Offset, len(again))
					require.Equal(t, turn.Frames[i].Body, string(body))
					again = wire.AppendFrame(again, body)
					require.Equal(t, turn.Frames[i].CRC, hex.EncodeToString(again[len(again)-4:]))
					var message struct {
						Fact  json.RawMessage
						Facts []json.RawMessage
					}
					require.NoError(t, json.Unmarshal(body, &message))
					if message.Fact != nil {
						message.Facts = append(message.Facts, message.Fact)
					}
					for _, fact := range message.Facts {
						requireRubyFact(t, fact)
						facts++
					}
				}
				require.Equal(t, stream, again)
			}
		})
	}
	require.NotZero(t, facts)
}
