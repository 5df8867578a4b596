// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/wiretest"
	"github.com/igniter-store/igniter/wire"
)

// The files under testdata were recorded from the Ruby system.

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
				bodies, _, err := wiretest.ReadFrames(stream)
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
						wiretest.RequireRubyFact(t, fact)
						facts++
					}
				}
				require.Equal(t, stream, again)
			}
		})
	}
	require.NotZero(t, facts)
}
